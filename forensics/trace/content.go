package trace

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"
	"unicode/utf16"

	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/program"
	"kanshiki/parsers/ntfs"
)

// Volumes gives the open file system of a volume of an exhibit.
type Volumes func(ctx context.Context, exhibit string, volume int) (*filesystem.NTFS, error)

// Describe says what a program says of itself.
type Describe func(ctx context.Context, f *File, r io.ReaderAt, size int64) (*program.Facts, error)

// List gives the members of an archive, nil where the content is none.
type List func(ctx context.Context, r io.ReaderAt, size int64) ([]Member, error)

// Disk is the content of files on the exhibits' disks. What was asked once is
// kept: a trace asks the same files from several sides.
type Disk struct {
	volumes  Volumes
	describe Describe
	list     List
	digests  map[ref]answer[Digest]
	programs map[ref]answer[*Program]
	members  map[ref]answer[[]Member]
	bytes    map[ref]answer[[]byte]
}

type answer[T any] struct {
	v   T
	err error
}

// NewDisk makes the content of a case's disks.
func NewDisk(volumes Volumes, describe Describe, list List) *Disk {
	return &Disk{volumes, describe, list, map[ref]answer[Digest]{}, map[ref]answer[*Program]{}, map[ref]answer[[]Member]{}, map[ref]answer[[]byte]{}}
}

// maxContent is the size up to which a file's content is looked at.
const maxContent = 256 << 20

func kept[T any](m map[ref]answer[T], f *File, ask func() (T, error)) (T, error) {
	if a, ok := m[f.ref()]; ok {
		return a.v, a.err
	}
	v, err := ask()
	if !errors.Is(err, context.Canceled) {
		m[f.ref()] = answer[T]{v, err}
	}
	return v, err
}

// open gives a file's unnamed stream. Of a deleted file, clusters that are not
// its own any more are zeros, and whole is false.
func (d *Disk) open(ctx context.Context, f *File) (r io.ReaderAt, size int64, whole bool, err error) {
	fs, err := d.volumes(ctx, f.Exhibit, f.Volume)
	if err != nil {
		return nil, 0, false, err
	}
	at := filesystem.Ref{Entry: f.Entry, Sequence: f.Sequence}
	if !f.Deleted {
		s, err := fs.Open(ctx, at, "")
		if err != nil {
			return nil, 0, false, err
		}
		return s, s.Size(), true, nil
	}
	gone, err := fs.Remnants(at, "")
	if err != nil {
		return nil, 0, false, err
	}
	s, err := fs.OpenZeroFill(at, "")
	if err != nil {
		return nil, 0, false, err
	}
	whole = true
	var lost []span
	for _, g := range gone {
		if g.Fate != ntfs.Free {
			whole = false
		}
		if g.Fate == ntfs.Reused || g.Fate == ntfs.Outside {
			lost = append(lost, span{g.Off, g.Off + g.Len})
		}
	}
	if whole {
		return s, s.Size(), true, nil
	}
	return &masked{s, lost}, s.Size(), false, nil
}

type span struct{ from, to int64 }

// masked gives zeros where clusters belong to other files: foreign bytes are
// never handed out as a file's own.
type masked struct {
	r    io.ReaderAt
	lost []span
}

func (m *masked) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.r.ReadAt(p, off)
	for _, s := range m.lost {
		from, to := max(s.from, off), min(s.to, off+int64(n))
		if from < to {
			clear(p[from-off : to-off])
		}
	}
	return n, err
}

// Digest reads a file once for all its digests.
func (d *Disk) Digest(ctx context.Context, f *File) (Digest, error) {
	return kept(d.digests, f, func() (Digest, error) {
		r, size, whole, err := d.open(ctx, f)
		if err != nil {
			return Digest{}, err
		}
		if size > maxContent {
			return Digest{Size: size}, fmt.Errorf("%d bytes: larger than the trace looks at", size)
		}
		s, c := sha256.New(), crc32.NewIEEE()
		n, err := io.Copy(io.MultiWriter(hash.Hash(s), c), &cancellable{ctx, io.NewSectionReader(r, 0, size)})
		if err != nil {
			if ctx.Err() != nil {
				return Digest{}, ctx.Err()
			}
			whole = false
		}
		return Digest{SHA256: hex.EncodeToString(s.Sum(nil)), CRC32: c.Sum32(), Size: size, Whole: whole && n == size}, nil
	})
}

type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Program asks what a file says of itself as a program. A deleted one counts
// only where all its clusters are still its own.
func (d *Disk) Program(ctx context.Context, f *File) (*Program, error) {
	return kept(d.programs, f, func() (*Program, error) {
		r, size, whole, err := d.open(ctx, f)
		if err != nil || size == 0 || size > maxContent || !whole {
			return nil, err
		}
		var head [2]byte
		if _, err := r.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) || string(head[:]) != "MZ" {
			return nil, nil
		}
		facts, err := d.describe(ctx, f, r, size)
		if err != nil || facts == nil || !facts.IsProgram {
			return nil, err
		}
		return fromFacts(facts), nil
	})
}

// Members lists an archive. Of a deleted one the members that lie in clusters
// that are still its own are listed with their content.
func (d *Disk) Members(ctx context.Context, f *File) ([]Member, error) {
	return kept(d.members, f, func() ([]Member, error) {
		r, size, _, err := d.open(ctx, f)
		if err != nil || size == 0 || size > maxContent {
			return nil, err
		}
		return d.list(ctx, r, size)
	})
}

// isVersion tells whether a dotted number is the program's own version.
func isVersion(f *program.Facts, s string) bool {
	for _, t := range f.Version {
		if strings.Contains(t.Value, s) {
			return true
		}
	}
	return false
}

// Holds tells whether a program has a name in it, as text of one or of two
// bytes a character, without regard to the case of ASCII.
func (d *Disk) Holds(ctx context.Context, f *File, name string) (bool, error) {
	b, err := kept(d.bytes, f, func() ([]byte, error) {
		r, size, _, err := d.open(ctx, f)
		if err != nil || size > maxSearched {
			return nil, err
		}
		b := make([]byte, size)
		n, err := r.ReadAt(b, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return lowerASCII(b[:n]), nil
	})
	if err != nil {
		return false, err
	}
	low := string(lowerASCII([]byte(name)))
	return bytes.Contains(b, []byte(low)) || bytes.Contains(b, wide(low)), nil
}

// maxSearched is the size up to which a program is searched for names.
const maxSearched = 64 << 20

// lowerASCII folds in place and touches nothing but A to Z: the bytes are a
// program, not text.
func lowerASCII(b []byte) []byte {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}

func wide(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

func fromFacts(f *program.Facts) *Program {
	p := &Program{Signature: Signature(f.State), Known: f.Known != nil}
	if _, hash := f.Fact("stamp-is-hash"); f.Timestamp > 0 && !hash {
		t := event.Ticks(uint64(f.Timestamp)*10000000 + 116444736000000000)
		if f.Timestamp > 0x30000000 { // 1995: older stamps are no dates of programs that Windows ran
			p.Timestamp = t
		}
	}
	if f.Signature != nil {
		for _, s := range f.Signature.Signers {
			p.Signers = append(p.Signers, s.Name)
		}
	}
	for _, s := range f.Strings {
		v := strings.ToLower(s.Value)
		switch s.Kind {
		case "url":
			p.Hosts = append(p.Hosts, hostOfURL(v))
		case "host", "address":
			if isVersion(f, s.Value) {
				continue
			}
			if h, _, ok := strings.Cut(v, ":"); ok && !strings.Contains(v, "::") {
				v = h
			}
			p.Hosts = append(p.Hosts, v)
		}
	}
	_, p.Packed = f.Fact("packed-code")
	return p
}
