package device

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// nodeNumber is the number of a device node.
func nodeNumber(node string) (devno, bool) {
	st, err := os.Stat(node)
	if err != nil || st.Mode()&os.ModeDevice == 0 || st.Mode()&os.ModeCharDevice != 0 {
		return devno{}, false
	}
	return rdevOf(st), true
}

func mounted(path string) ([]Mount, error) {
	s := system{root: "/"}
	devices := map[devno]string{}
	if d, ok := nodeNumber(path); ok {
		devices = s.family(d)
	} else {
		file, err := realPath(path)
		if err != nil {
			return nil, err
		}
		s.growLoops(devices, file)
	}
	return s.mounts(devices, nodeNumber)
}

func realPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

func onSource(path, dir string) (bool, error) {
	s := system{root: "/"}
	src, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	d, ok := s.holderOf(dir)
	if !ok {
		if _, err := os.Stat(dir); err != nil {
			return false, err
		}
		return false, nil // memory, network: no device
	}
	devices, files := s.below(d, s.holderOf)
	if n, ok := nodeNumber(path); ok {
		return devices[n], nil
	}
	for _, f := range files {
		if st, err := os.Stat(f); err == nil && os.SameFile(st, src) {
			return true, nil
		}
	}
	return false, nil
}

// holderOf is the block device that a file or folder lies on; for a device
// node, the device itself.
func (s system) holderOf(name string) (devno, bool) {
	if d, ok := nodeNumber(name); ok {
		return d, true
	}
	st, err := os.Stat(name)
	if err != nil {
		return devno{}, false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return devno{}, false
	}
	d := devno{unix.Major(uint64(sys.Dev)), unix.Minor(uint64(sys.Dev))}
	if s.dir(d) != "" {
		return d, true
	}
	// A file system of several devices has a number of its own; its mount names
	// one of them.
	text, err := os.ReadFile(s.path("proc/self/mountinfo"))
	if err != nil {
		return devno{}, false
	}
	for _, l := range parseMountinfo(string(text)) {
		if l.dev == d || under(name, l.point) && l.fsType == "btrfs" {
			if n, ok := nodeNumber(l.source); ok {
				return n, true
			}
		}
	}
	return devno{}, false
}

func under(name, dir string) bool {
	real, err := realPath(name)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, real)
	return err == nil && filepath.IsLocal(rel)
}

func free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("%s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
