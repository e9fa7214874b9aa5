package clitest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"kanshiki/forensics/custody"
)

// files does the words that make and change files.
func (s *Story) files(word string, args []string) {
	s.T.Helper()
	number := func(i int) int {
		n, err := strconv.ParseInt(args[i], 0, 64)
		s.check(err)
		return int(n)
	}
	write := func(name string, b []byte) { s.T.Helper(); s.check(os.WriteFile(s.Path(name), b, 0o644)) }
	switch word {
	case "cp":
		write(args[1], s.Read(args[0]))
	case "cut":
		write(args[1], s.Read(args[0])[:number(2)])
	case "flip":
		b := s.Read(args[0])
		step := len(b)
		if len(args) > 2 {
			step = number(2)
		}
		for i := number(1); i < len(b); i += step {
			b[i] ^= 0x5a
		}
		write(args[0], b)
	case "zeros":
		write(args[0], make([]byte, number(1)))
	case "fifo":
		if !fifo(s.Path(args[0])) {
			s.T.Skip("no FIFO can be made here")
		}
	case "ext4":
		write(args[0], make([]byte, 4<<20))
		if exec.Command("mkfs.ext4", "-q", "-F", s.Path(args[0])).Run() != nil {
			write(args[0], superblock())
		}
	case "mkdir":
		s.check(os.MkdirAll(s.Path(args[0]), 0o755))
	case "mv":
		s.check(os.Rename(s.Path(args[0]), s.Path(args[1])))
	case "rm":
		s.check(os.Remove(s.Path(args[0])))
	default:
		s.T.Fatalf("no word %q", word)
	}
}

// superblock is as much of an empty ext4 as its signature needs (kernel.org,
// ext4 disk layout, "The Super Block").
func superblock() []byte {
	b := make([]byte, 4<<20)
	s := b[1024:]
	binary.LittleEndian.PutUint32(s[0:], 1024)      // inodes
	binary.LittleEndian.PutUint32(s[4:], 1024)      // blocks
	binary.LittleEndian.PutUint32(s[0x18:], 2)      // blocks of 4 KiB
	binary.LittleEndian.PutUint32(s[0x20:], 32768)  // blocks of a group
	binary.LittleEndian.PutUint16(s[0x38:], 0xef53) // magic
	binary.LittleEndian.PutUint32(s[0x4c:], 1)      // revision with dynamic inodes
	binary.LittleEndian.PutUint32(s[0x60:], 0x40)   // extents
	return b
}

// listing describes every file of the story's folders, and of the temporary
// folder that its commands see.
func (s *Story) listing() map[string]string {
	s.T.Helper()
	out := map[string]string{}
	for _, top := range []string{s.Dir, filepath.Join(s.top, "tmp")} {
		s.check(filepath.WalkDir(top, func(p string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			fi, err := d.Info()
			if err != nil || p == top {
				return err
			}
			rel, err := filepath.Rel(s.Dir, p)
			what := fmt.Sprint(fi.Mode(), fi.ModTime().UnixNano())
			if fi.IsDir() {
				what = fmt.Sprint(fi.Mode())
			} else if fi.Mode().IsRegular() {
				b, err := os.ReadFile(p)
				if err != nil {
					return err
				}
				what += fmt.Sprintf(" %x", sha256.Sum256(b))
			}
			out[filepath.ToSlash(rel)] = what
			return err
		}))
	}
	return out
}

// only holds where nothing has changed since note but at or below the paths.
func (s *Story) only(allowed []string) bool {
	s.T.Helper()
	now := s.listing()
	var bad []string
	differs := func(name string) {
		for _, a := range allowed {
			if name == a || strings.HasPrefix(name, a+"/") {
				return
			}
		}
		bad = append(bad, name)
	}
	for name, what := range now {
		if s.noted[name] != what {
			differs(name)
		}
	}
	for name := range s.noted {
		if _, ok := now[name]; !ok {
			differs(name)
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		s.T.Errorf("written, changed or gone: %q", bad)
	}
	return len(bad) == 0
}

// hold takes the case's lock as another program would.
func (s *Story) hold(dir string) {
	s.T.Helper()
	c, err := custody.Open(s.Path(dir))
	s.check(err)
	s.holder = c
}

// unwritable takes the right to write away. Root may write everywhere, so that
// the commands that follow run as nobody.
func (s *Story) unwritable(dir string) {
	s.T.Helper()
	s.check(os.Chmod(s.Path(dir), 0o555))
	if os.Geteuid() != 0 {
		return
	}
	for _, d := range []string{filepath.Dir(s.top), s.top} {
		s.check(os.Chmod(d, 0o755))
	}
	s.check(os.Chmod(s.Dir, 0o777))
	s.check(os.Chmod(filepath.Join(s.top, "tmp"), 0o777))
	s.weak = true
}
