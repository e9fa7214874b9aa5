package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"kanshiki/cmd/internal/clitest"
)

func TestMain(m *testing.M) {
	clitest.Become(main)
	os.Exit(m.Run())
}

// TestStories has a word of its own: "first OPTIONS" sets ID to that of the
// first event of a list, and SHORT to the beginning of it.
func TestStories(t *testing.T) {
	image, err := filepath.Abs("../../fixtures/quarantined-pc/quarantined-pc.E01")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(image); err != nil {
		t.Skip("the fixture is not built: ", err)
	}
	clitest.Run(t, name, func(s *clitest.Story) {
		s.Vars["FIXTURE"] = image
		s.Words = map[string]func(*clitest.Story, bool, []string) bool{"first": first}
	})
}

func first(s *clitest.Story, _ bool, options []string) bool {
	s.Exec(append([]string{name, "list", "--format", "jsonl", "--limit", "1"}, options...)...)
	var row struct{ ID string }
	if json.Unmarshal([]byte(s.Stdout), &row) != nil || len(row.ID) < 10 {
		return false
	}
	s.Vars["ID"], s.Vars["SHORT"] = row.ID, row.ID[:10]
	return s.Code == 0
}

func TestHelp(t *testing.T) { clitest.Help(t, name, append([]string{""}, order...)...) }
