"""GraphQL over the read models, the commands and the metrics, derived from their declarations.

What is there: ``names``, ``scalars``, ``types``, ``inputs`` and ``rows`` make GraphQL types of structs; ``books`` says
what each read model is called and ``access`` who may read it.

How a page is read: ``selection`` tells what is asked for; ``paths``, ``cursors`` and ``paging`` say which rows;
``plan`` makes one SQL statement of it all, and ``shape`` and ``pages`` make the answer of its rows.

How the past is read: ``reaches`` tells which rows a plan needs, and ``past`` has them folded as of then.

One file for each area of the schema: ``queries``, ``commands``, ``measures``, ``replays``, ``explanations``,
``standing``; ``schema`` puts them together, and ``steps`` is what the replay and the explanation share.

How a request is answered: ``operations`` checks its text once, within ``limits``; ``execution`` answers it in the
``request``'s context, ``reading`` asks the database, and ``errors`` says what of a failure is told.
"""
