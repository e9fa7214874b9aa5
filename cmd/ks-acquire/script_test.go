package main

import (
	"os"
	"os/exec"
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
	verify := filepath.Join(t.TempDir(), "ks-verify")
	if out, err := exec.Command("go", "build", "-o", verify, "../ks-verify").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	clitest.Run(t, name, func(s *clitest.Story) {
		s.Vars["FIXTURE"], s.Others = fixture, map[string]string{"ks-verify": verify}
	})
}

func TestHelp(t *testing.T) { clitest.Help(t, name, "") }
