package device

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mountLine is a line of /proc/self/mountinfo (proc(5)).
type mountLine struct {
	dev      devno
	root     string
	point    string
	fsType   string
	source   string
	writable bool // both the mount and its file system
}

// parseMountinfo reads mountinfo; lines that are no mount are left out.
func parseMountinfo(text string) []mountLine {
	var out []mountLine
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		sep := slices.Index(f, "-")
		if sep < 6 || len(f) < sep+4 {
			continue
		}
		dev, ok := parseDevno(f[2])
		if !ok {
			continue
		}
		out = append(out, mountLine{
			dev: dev, root: unescape(f[3]), point: unescape(f[4]), fsType: f[sep+1], source: unescape(f[sep+2]),
			writable: !hasOption(f[5], "ro") && !hasOption(f[sep+3], "ro"),
		})
	}
	return out
}

func hasOption(list, option string) bool {
	return slices.Contains(strings.Split(list, ","), option)
}

func parseDevno(s string) (devno, bool) {
	a, b, ok := strings.Cut(s, ":")
	major, err1 := strconv.ParseUint(a, 10, 32)
	minor, err2 := strconv.ParseUint(b, 10, 32)
	return devno{uint32(major), uint32(minor)}, ok && err1 == nil && err2 == nil
}

// unescape undoes the octal escapes of blanks in names (\040).
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// parseSwaps lists the devices and files of /proc/swaps.
func parseSwaps(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) >= 5 && strings.HasPrefix(f[0], "/") {
			out = append(out, unescape(f[0]))
		}
	}
	return out
}

// family is a block device with its partitions, what is built on them, and the
// disk that it is a part of; each with its name.
func (s system) family(d devno) map[devno]string {
	out := map[devno]string{}
	dir := s.dir(d)
	if dir == "" {
		return map[devno]string{d: d.String()}
	}
	if disk, partition := whole(dir); partition {
		s.add(out, disk)
	}
	s.grow(out, dir)
	return out
}

func (s system) add(out map[devno]string, dir string) (devno, bool) {
	d, ok := parseDevno(s.text(filepath.Join(dir, "dev")))
	if !ok {
		return d, false
	}
	if _, seen := out[d]; seen {
		return d, false
	}
	out[d] = filepath.Base(dir)
	return d, true
}

// grow adds a device, its partitions, its holders and loop devices over it.
// Each device is entered once, so it ends.
func (s system) grow(out map[devno]string, dir string) {
	if _, fresh := s.add(out, dir); !fresh {
		return
	}
	children, _ := filepath.Glob(filepath.Join(dir, "*", "partition"))
	for _, c := range children {
		s.grow(out, filepath.Dir(c))
	}
	holders, _ := filepath.Glob(filepath.Join(dir, "holders", "*"))
	for _, h := range holders {
		if real, err := filepath.EvalSymlinks(h); err == nil {
			s.grow(out, real)
		}
	}
	s.growLoops(out, "/dev/"+filepath.Base(dir))
}

// growLoops adds the loop devices over a device node or a file.
func (s system) growLoops(out map[devno]string, backing string) {
	files, _ := filepath.Glob(s.path("sys/block/loop*/loop/backing_file"))
	for _, f := range files {
		if s.text(f) == backing {
			if real, err := filepath.EvalSymlinks(filepath.Dir(filepath.Dir(f))); err == nil {
				s.grow(out, real)
			}
		}
	}
}

// mounts lists where devices are mounted or swapped to. number tells the device
// of a node that a line names: file systems that span devices have a number of
// their own.
func (s system) mounts(devices map[devno]string, number func(node string) (devno, bool)) ([]Mount, error) {
	b, err := os.ReadFile(s.path("proc/self/mountinfo"))
	if err != nil {
		return nil, err
	}
	var out []Mount
	for _, l := range parseMountinfo(string(b)) {
		name, ok := devices[l.dev]
		if !ok && strings.HasPrefix(l.source, "/") {
			if d, known := number(l.source); known {
				name, ok = devices[d]
			}
		}
		if ok {
			out = append(out, Mount{name, l.point, l.fsType, l.writable})
		}
	}
	b, err = os.ReadFile(s.path("proc/swaps"))
	if err != nil && !os.IsNotExist(err) { // a kernel without swap has none
		return nil, err
	}
	for _, node := range parseSwaps(string(b)) {
		if d, known := number(node); known {
			if name, ok := devices[d]; ok {
				out = append(out, Mount{name, "swap", "swap", true})
			}
		}
	}
	return out, nil
}

// below lists a block device and all that it is built on: its disk, the
// members of a RAID or a logical volume, and the files under loop devices.
func (s system) below(d devno, number func(file string) (devno, bool)) (devices map[devno]bool, files []string) {
	devices = map[devno]bool{}
	todo := []devno{d}
	for len(todo) > 0 {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if devices[d] {
			continue
		}
		devices[d] = true
		dir := s.dir(d)
		if dir == "" {
			continue
		}
		disk, partition := whole(dir)
		if n, ok := parseDevno(s.text(filepath.Join(disk, "dev"))); ok && partition {
			todo = append(todo, n)
		}
		slaves, _ := filepath.Glob(filepath.Join(dir, "slaves", "*", "dev"))
		for _, f := range slaves {
			if n, ok := parseDevno(s.text(f)); ok {
				todo = append(todo, n)
			}
		}
		if file := s.text(filepath.Join(dir, "loop/backing_file")); file != "" {
			files = append(files, file)
			if n, ok := number(file); ok {
				todo = append(todo, n)
			}
		}
	}
	return devices, files
}
