package main

import (
	"os"
	"path/filepath"
	"testing"

	"kanshiki/cmd/internal/clitest"
	"kanshiki/forensics/filesystem/secondreader"
)

func TestMain(m *testing.M) {
	secondreader.Serve()
	clitest.Become(main)
	os.Exit(m.Run())
}

func TestStories(t *testing.T) {
	image, err := filepath.Abs("../../fixtures/quarantined-pc/quarantined-pc.E01")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(image); err != nil {
		t.Skip("the fixture is not built: ", err)
	}
	clitest.Run(t, name, func(s *clitest.Story) { s.Vars["FIXTURE"] = image })
}

func TestHelp(t *testing.T) {
	names := []string{""}
	for _, c := range commands {
		names = append(names, c.name)
	}
	clitest.Help(t, name, names...)
}
