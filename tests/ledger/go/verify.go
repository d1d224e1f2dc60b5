// Verifies a checkpoint and the proofs of a ledger by golang.org/x/mod/sumdb, which knows nothing of Daybook.
//
//	verify VKEY inclusion FILE.tlog-proof
//	verify VKEY consistency OLD.checkpoint NEW.checkpoint FILE-WITH-A-HASH-ON-EACH-LINE
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	check(err)
	switch os.Args[2] {
	case "inclusion":
		head, checkpoint, _ := strings.Cut(read(os.Args[3]), "\n\n")
		lines := strings.Split(head, "\n")
		data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
		check(err)
		index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
		check(err)
		size, root := open(checkpoint, verifier)
		check(tlog.CheckRecord(tlog.RecordProof(hashes(lines[3:])), size, root, index, tlog.RecordHash(data)))
	case "consistency":
		oldSize, oldRoot := open(read(os.Args[3]), verifier)
		newSize, newRoot := open(read(os.Args[4]), verifier)
		proof := hashes(strings.Fields(read(os.Args[5])))
		check(tlog.CheckTree(tlog.TreeProof(proof), newSize, newRoot, oldSize, oldRoot))
	}
	fmt.Println("verified")
}

func open(text string, verifier note.Verifier) (int64, tlog.Hash) {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		check(fmt.Errorf("the checkpoint is of %q", lines[0]))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	return size, hashes(lines[2:3])[0]
}

func hashes(lines []string) []tlog.Hash {
	var found []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		check(err)
		found = append(found, hash)
	}
	return found
}

func read(name string) string {
	text, err := os.ReadFile(name)
	check(err)
	return string(text)
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
