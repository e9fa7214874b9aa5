package acquire

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"kanshiki/parsers/ewf"
)

// Place says in which folder the segments from one on lie: an image goes on in
// another folder where the first one was full. The last place has no Dir: it is
// where the checkpoint lies, wherever somebody moved both.
type Place struct {
	From int    `json:"from"` // segment number, from 1
	Dir  string `json:"dir,omitempty"`
}

// files are the files of an image that is written.
type files struct {
	format string
	base   string // name of the first segment
	split  bool   // raw in several files
	here   string // the folder that is written now
	places []Place
}

var errOneFile = errors.New("the image is one file")

// name is the path of segment n.
func (f *files) name(n int) (string, error) {
	base := f.base
	switch {
	case f.format == E01:
		var ok bool
		if base, ok = ewf.SegmentName(f.base, 1, n); !ok {
			return "", fmt.Errorf("no name for segment %d of %s; larger segments make fewer", n, f.base)
		}
	case f.split:
		base = fmt.Sprintf("%s.%03d", strings.TrimSuffix(f.base, ".001"), n)
	case n > 1:
		return "", errOneFile
	}
	dir := f.here
	for _, p := range f.places {
		if n >= p.From && p.Dir != "" {
			dir = p.Dir
		} else if n >= p.From {
			dir = f.here
		}
	}
	return filepath.Join(dir, base), nil
}

// create makes a new segment; a file that is there is never overwritten.
func (f *files) create(n int) (*os.File, error) { return f.get(n, os.O_CREATE|os.O_EXCL) }

func (f *files) reopen(n int) (*os.File, error) { return f.get(n, 0) }

func (f *files) get(n, flag int) (*os.File, error) {
	name, err := f.name(n)
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile(name, os.O_RDWR|flag, 0o666)
	if err != nil {
		return nil, err
	}
	if flag != 0 {
		if err := syncDir(filepath.Dir(name)); err != nil {
			out.Close()
			return nil, err
		}
	}
	return out, nil
}

// removeFrom deletes the segments from n on: a run that was killed made them
// after its last checkpoint.
func (f *files) removeFrom(n int) error {
	for ; ; n++ {
		name, err := f.name(n)
		if err != nil {
			return nil // no more names
		}
		if err := os.Remove(name); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// moveTo makes the segments from n on lie in another folder, and copies the
// first size bytes of segment n there, which is not complete. The caller
// removes the old one when the new place is on record.
func (f *files) moveTo(dir string, n int, size int64) error {
	from, err := f.name(n)
	if err != nil {
		return err
	}
	for i := range f.places {
		if f.places[i].Dir == "" {
			f.places[i].Dir = f.here
		}
	}
	f.places, f.here = append(f.places, Place{From: n}), dir
	to, err := f.name(n)
	if err != nil || from == to {
		return err
	}
	return copyFile(from, to, size)
}

const tailSize = 1 << 20

// Tail is the end of what a checkpoint speaks of, to be found again.
type Tail struct {
	Off  int64  `json:"off"`
	Len  int64  `json:"len"`
	Hole int64  `json:"hole,omitempty"` // 76 bytes that count as zeros: they are filled in later
	CRC  uint32 `json:"crc32c"`
}

const holeSize = 76 // of a section descriptor of E01

// tailOf takes the digest of the last bytes before a place's end.
func tailOf(f io.ReaderAt, p place) (Tail, error) {
	t := Tail{Off: max(p.end-tailSize, 0), Hole: p.hole}
	t.Len = p.end - t.Off
	var err error
	t.CRC, err = t.crc(f)
	return t, err
}

func (t Tail) crc(f io.ReaderAt) (uint32, error) {
	b := make([]byte, t.Len)
	if n, err := f.ReadAt(b, t.Off); n < len(b) {
		return 0, err
	}
	if t.Hole > 0 && t.Hole+holeSize > t.Off {
		clear(b[max(t.Hole-t.Off, 0):min(t.Hole-t.Off+holeSize, t.Len)])
	}
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)), nil
}

// syncDir makes sure that a folder knows its new file after a power loss.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) && !isWindows {
		return err
	}
	return nil
}

// WriteFile writes a small file beside its name, syncs it and renames it.
func WriteFile(name string, b []byte) error {
	tmp := name + ".tmp"
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if serr := f.Sync(); err == nil {
		err = serr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, name)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	return syncDir(filepath.Dir(name))
}
