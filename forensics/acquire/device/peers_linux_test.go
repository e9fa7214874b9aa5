package device_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"kanshiki/forensics/acquire/faulty"
	"kanshiki/forensics/acquire/faulty/mounted"
)

// What other tools lose of the same medium; compare TestPlanOnDevices. It judges
// nothing of ours and runs only where KANSHIKI_PEERS is set.
func TestPeersOnPlan(t *testing.T) {
	if os.Getenv("KANSHIKI_PEERS") == "" {
		t.Skip("measures other tools: set KANSHIKI_PEERS")
	}
	src := &faulty.Source{Data: faulty.Medium(40 << 20), Faults: faulty.Plan()}
	name, _ := mounted.File(t, src)
	ewf := func(dev, out string, args ...string) [][]string {
		return [][]string{append([]string{"ewfacquire", "-q", "-u", "-c", "none", "-t", out, dev}, args...),
			{"ewfexport", "-q", "-u", "-f", "raw", "-t", out, out + ".E01"}, {"mv", out + ".raw", out}}
	}
	for what, commands := range map[string]func(dev, out string) [][]string{
		"ewfacquire":      func(dev, out string) [][]string { return ewf(dev, out) },
		"ewfacquire -g 1": func(dev, out string) [][]string { return ewf(dev, out, "-g", "1") },
		"ddrescue":        func(dev, out string) [][]string { return [][]string{{"ddrescue", "-q", "-r0", dev, out, out + ".map"}} },
		"ddrescue -d": func(dev, out string) [][]string {
			return [][]string{{"ddrescue", "-q", "-d", "-r0", dev, out, out + ".map"}}
		},
	} {
		t.Run(what, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			for _, c := range commands(mounted.Loop(t, name), out) {
				if b, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
					t.Skipf("%v: %v %s", c, err, b)
				}
			}
			got, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			lost := 0
			for i := 0; i < len(src.Data); i += 512 {
				if i+512 > len(got) || !bytes.Equal(got[i:i+512], src.Data[i:i+512]) {
					lost++
				}
			}
			t.Logf("%d good sectors lost, of %d", lost-77, len(src.Data)/512)
		})
	}
}
