package device_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"kanshiki/forensics/acquire/device"
	"kanshiki/forensics/acquire/faulty/mounted"
)

// A file system on a loop device over a file: all three know each other.
func TestMountedLoop(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	dir := t.TempDir()
	name, point := filepath.Join(dir, "a disk.raw"), filepath.Join(dir, "a mount")
	if err := os.WriteFile(name, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-O", "^has_journal", name).CombinedOutput(); err != nil {
		t.Skipf("no mkfs.ext4: %v %s", err, out)
	}
	if err := os.Mkdir(point, 0o700); err != nil {
		t.Fatal(err)
	}
	dev := mounted.Loop(t, name)
	for _, path := range []string{name, dev} {
		if m, err := device.Mounted(path); err != nil || len(m) > 0 {
			t.Errorf("%s before it is mounted: %v, %v", path, m, err)
		}
		if on, err := device.OnSource(path, dir); err != nil || on {
			t.Errorf("%s holds the folder that its file lies in: %v, %v", path, on, err)
		}
	}
	if err := unix.Mount(dev, point, "ext4", unix.MS_RDONLY, ""); err != nil {
		t.Skipf("ext4 cannot be mounted here: %v", err)
	}
	defer unix.Unmount(point, 0)
	for _, path := range []string{name, dev} {
		want := device.Mount{Device: filepath.Base(dev), Point: point, Type: "ext4"}
		if m, err := device.Mounted(path); err != nil || len(m) != 1 || m[0] != want {
			t.Errorf("%s: %v, %v, want %v", path, m, err, want)
		}
		if on, err := device.OnSource(path, point); err != nil || !on {
			t.Errorf("%s does not hold what is mounted from it: %v, %v", path, on, err)
		}
	}
	d, err := device.Open(dev)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	in := d.Info()
	if in.Kind != device.Disk || in.Bus != "loop" || in.ReadOnly == nil || !*in.ReadOnly || in.Size != 2<<20 {
		t.Errorf("%+v", in)
	}
	if in.Hidden.State != "not asked: no ATA disk" {
		t.Errorf("hidden sectors: %+v", in.Hidden)
	}
}
