package device

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// place is where a source lies: extents of disks, or the whole of one.
func place(path string) ([]extent, error) {
	path, _ = devicePath(path)
	if n, ok := driveNumber(path); ok {
		return []extent{{n, 0, math.MaxInt64}}, nil
	}
	f, err := openAs(path, 0)
	if err != nil {
		return nil, err
	}
	h := &windowsHandle{h: f, raw: true}
	defer h.close()
	return h.extents()
}

// mounted lists the volumes that lie on the source and have a file system; a
// volume without a letter can be written to by its name.
func mounted(path string) ([]Mount, error) {
	if _, ok := devicePath(path); !ok {
		return nil, nil
	}
	src, err := place(path)
	if err != nil {
		return nil, err
	}
	var out []Mount
	err = volumes(func(name string) {
		extents, err := place(name)
		if err != nil || !overlap(src, extents) {
			return
		}
		var flags uint32
		fs := make([]uint16, 64)
		root, _ := windows.UTF16PtrFromString(name)
		if windows.GetVolumeInformation(root, nil, 0, nil, nil, &flags, &fs[0], uint32(len(fs))) != nil {
			return // no file system that Windows mounts
		}
		m := Mount{Device: name, Type: windows.UTF16ToString(fs), Writable: flags&windows.FILE_READ_ONLY_VOLUME == 0}
		points := mountPoints(root)
		if len(points) == 0 {
			points = []string{name}
		}
		for _, p := range points {
			m.Point = p
			out = append(out, m)
		}
	})
	return out, err
}

// volumes calls fn with the name of each volume (\\?\Volume{…}\).
func volumes(fn func(name string)) error {
	buf := make([]uint16, 512)
	h, err := windows.FindFirstVolume(&buf[0], uint32(len(buf)))
	if err != nil {
		return err
	}
	defer windows.FindVolumeClose(h)
	for {
		fn(windows.UTF16ToString(buf))
		if windows.FindNextVolume(h, &buf[0], uint32(len(buf))) != nil {
			return nil
		}
	}
}

func mountPoints(volume *uint16) []string {
	buf := make([]uint16, 4096)
	var n uint32
	if windows.GetVolumePathNamesForVolumeName(volume, &buf[0], uint32(len(buf)), &n) != nil {
		return nil
	}
	var out []string
	for rest := buf; len(rest) > 0 && rest[0] != 0; {
		s := windows.UTF16ToString(rest)
		out = append(out, s)
		rest = rest[len(windows.StringToUTF16(s)):]
	}
	return out
}

func onSource(path, dir string) (bool, error) {
	if _, ok := devicePath(path); !ok {
		return false, nil
	}
	src, err := place(path)
	if err != nil {
		return false, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(abs); err != nil {
		return false, err
	}
	from, err := windows.UTF16PtrFromString(abs)
	if err != nil {
		return false, err
	}
	point, name := make([]uint16, 32768), make([]uint16, 512)
	if err := windows.GetVolumePathName(from, &point[0], uint32(len(point))); err != nil {
		return false, err
	}
	if err := windows.GetVolumeNameForVolumeMountPoint(&point[0], &name[0], uint32(len(name))); err != nil {
		return false, nil // a share of another machine
	}
	dst, err := place(windows.UTF16ToString(name))
	if err != nil {
		return false, err
	}
	return overlap(src, dst), nil
}

func free(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var n uint64
	if err := windows.GetDiskFreeSpaceEx(name, &n, nil, nil); err != nil {
		return 0, fmt.Errorf("%s: %w", dir, err)
	}
	return int64(min(n, 1<<63-1)), nil
}
