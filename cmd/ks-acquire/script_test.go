package main

import (
	"os"
	"path/filepath"
	"testing"

	"kanshiki/cmd/internal/clitest"
)

func TestMain(m *testing.M) {
	clitest.Become(main)
	os.Exit(m.Run())
}

func TestStories(t *testing.T) {
	fixture, err := filepath.Abs("../../fixtures/quarantined-pc")
	if err != nil {
		t.Fatal(err)
	}
	clitest.Run(t, name, func(s *clitest.Story) { s.Vars["FIXTURE"] = fixture })
}

func TestHelp(t *testing.T) { clitest.Help(t, name, "") }
