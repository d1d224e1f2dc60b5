"""GraphQL over the read models, the commands and the metrics, derived from their declarations.

``books`` says what each read model is called and who may read it; ``types`` and ``inputs`` make GraphQL types of
structs; ``plan`` turns a selection into one SQL statement and ``shape`` its rows into the answer; ``commands``,
``metrics``, ``replay`` and ``standing`` hold one area of the schema each; ``schema`` puts them together, and
``execution`` checks and answers a request.
"""
