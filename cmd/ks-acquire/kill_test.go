package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kanshiki/cmd/internal/clitest"
)

// command runs ks-acquire as a process of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, append(args, "--progress", "none", "--quiet", "--checkpoint", "1MiB")...)
	c.Env = clitest.Environ()
	return c
}

// disk is a file of sectors that takes some tenths of a second.
func disk(t *testing.T, mib int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < mib<<20 {
		if r.IntN(4) == 0 {
			b.Write(make([]byte, 400000))
		}
		for range 3000 {
			fmt.Fprintf(&b, "%x and %d\n", r.Uint64(), r.IntN(1000))
		}
	}
	name := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(name, b.Bytes()[:mib<<20], 0o444); err != nil {
		t.Fatal(err)
	}
	return name
}

// Killed at random moments and resumed each time, the files are byte for byte
// those of a run that was not killed. KANSHIKI_KILLS sets how many kills each
// format gets.
func TestKilled(t *testing.T) {
	kills := 4
	if n, err := strconv.Atoi(os.Getenv("KANSHIKI_KILLS")); err == nil {
		kills = n
	}
	src := disk(t, 48)
	for image, options := range map[string][]string{
		"d.E01": {"--segment-size", "8MiB"}, "d.zst": nil, "d.raw": nil, "d.001": {"--segment-size", "5MiB"},
	} {
		t.Run(image, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(kills), 4))
			for done := 0; done < kills; {
				done += killed(t, r, src, image, options)
			}
		})
	}
}

// killed kills one acquisition until it ends, and tells how often.
func killed(t *testing.T, r *rand.Rand, src, image string, options []string) (kills int) {
	dir, ref := t.TempDir(), t.TempDir()
	begin := append([]string{src, "-o", filepath.Join(dir, image)}, options...)
	resume := []string{src, "-o", filepath.Join(dir, image), "--resume"}
	c := command(t, begin...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, image+".partial.json")); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	c.Process.Kill()
	if c.Wait() == nil {
		t.Fatal("it ended before it was killed")
	}
	if err := os.CopyFS(ref, os.DirFS(dir)); err != nil { // the same beginning, never killed again
		t.Fatal(err)
	}
	if out, err := command(t, src, "-o", filepath.Join(ref, image), "--resume").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for kills = 1; ; kills++ {
		c := command(t, resume...)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(r.IntN(500))*time.Millisecond, func() { c.Process.Kill() })
		err := c.Wait()
		timer.Stop()
		if err == nil {
			break
		}
		if c.ProcessState.ExitCode() >= 0 {
			if _, gone := os.Stat(filepath.Join(dir, image+".partial.json")); gone != nil {
				break // killed behind its end
			}
			t.Fatalf("%v\n%s", err, out.String())
		}
	}
	if a, b := contents(t, ref), contents(t, dir); !slices.Equal(a, b) {
		t.Errorf("after %d kills:\n%v\n%v", kills, a, b)
	}
	return kills
}

// contents are a folder's files but the record, which tells of the run.
func contents(t *testing.T, dir string) (out []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(e.Name(), ".json") && !strings.HasSuffix(e.Name(), ".jsonld") {
			out = append(out, fmt.Sprintf("%s %d %s", e.Name(), len(b), sha256Hex(b)))
		}
	}
	return out
}
