// Package olecf opens OLE compound files ([MS-CFB]): jump lists, Outlook
// messages, old Office documents, Thumbs.db.
//
// It owns github.com/richardlehane/mscfb (v1.0.9 was read and measured), whose
// types do not leave it. What that library does not do: deleted directory
// entries, unallocated sectors; its times have whole seconds. A read error ends
// the stream it happened in; what was read before is given with the error.
// Callers put a guard above and a fault-reporting reader below.
package olecf

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/richardlehane/mscfb"

	"kanshiki/parsers/internal/filetime"
)

// MaxEntries bounds the directory.
const MaxEntries = 1 << 16

// File is a compound file.
type File struct {
	Class    string // identifier of the root storage
	Created  uint64 // FILETIME of the root storage in whole seconds, 0 is not set
	Modified uint64
	Entries  []*Entry // storages and streams, without the root

	size int64
}

// Entry is a storage or a stream.
type Entry struct {
	Path     []string // storages above it
	Name     string   // without the control character that some begin with
	Initial  uint16   // first unit of the stored name: 5 for property sets
	Storage  bool
	Size     int64 // as declared
	Class    string
	Created  uint64 // FILETIME in whole seconds, 0 is not set; of streams mostly 0
	Modified uint64

	f     *mscfb.File
	limit int64
}

// ErrDamaged is in the chain of every error about the container's structure.
var ErrDamaged = errors.New("compound file does not fit its own structure")

// Is tells whether b begins as a compound file does.
func Is(b []byte) bool { return strings.HasPrefix(string(b), "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") }

// Open reads the directory of a compound file of size bytes.
func Open(r io.ReaderAt, size int64) (*File, error) {
	doc, err := mscfb.New(io.NewSectionReader(r, 0, size))
	if err != nil {
		return nil, fmt.Errorf("open compound file of %d bytes: %w (%w)", size, err, ErrDamaged)
	}
	if len(doc.File) > MaxEntries {
		return nil, fmt.Errorf("compound file with %d directory entries, limit %d: %w", len(doc.File), MaxEntries, ErrDamaged)
	}
	f := &File{Class: doc.ID(), Created: ticks(doc.Created()), Modified: ticks(doc.Modified()), size: size}
	for _, e := range doc.File {
		if e == doc.File[0] { // the root
			continue
		}
		f.Entries = append(f.Entries, &Entry{
			Path: slices.Clone(e.Path), Name: e.Name, Initial: e.Initial, Storage: e.FileInfo().IsDir(), Size: e.Size,
			Class: e.ID(), Created: ticks(e.Created()), Modified: ticks(e.Modified()), f: e, limit: size,
		})
	}
	return f, nil
}

func ticks(t time.Time) uint64 { return filetime.FromUnix(t.Unix(), int64(t.Nanosecond())) }

// Stream finds a stream by its path, without regard to case.
func (f *File) Stream(path ...string) (*Entry, bool) {
	for _, e := range f.Entries {
		if !e.Storage && strings.EqualFold(strings.Join(append(slices.Clone(e.Path), e.Name), "/"), strings.Join(path, "/")) {
			return e, true
		}
	}
	return nil, false
}

// FullName joins storages and name.
func (e *Entry) FullName() string { return strings.Join(append(slices.Clone(e.Path), e.Name), "/") }

// Read gives the stream's bytes, at most limit (0: no bound of the caller).
// A stream cannot be longer than its file; chains that overlap could claim so.
func (e *Entry) Read(limit int64) ([]byte, error) {
	if e.Storage {
		return nil, fmt.Errorf("%s: a storage has no bytes", e.FullName())
	}
	most := e.limit
	if limit > 0 {
		most = min(most, limit)
	}
	var over error
	if e.Size > most || e.Size < 0 {
		over = fmt.Errorf("%s: stream of %d bytes, limit %d: %w", e.FullName(), e.Size, most, ErrDamaged)
	}
	b, err := e.read(min(e.Size, most))
	if err != nil {
		err = fmt.Errorf("%s: %d of %d bytes: %w (%w)", e.FullName(), len(b), e.Size, err, ErrDamaged)
	}
	return b, errors.Join(err, over)
}

// read goes through the stream in order: the library walks the chain from its
// beginning for every place it is asked for. One piece at a time, so that a
// sector that cannot be read costs that piece and what follows, not what was
// read before.
func (e *Entry) read(size int64) ([]byte, error) {
	if size <= 0 {
		return nil, nil
	}
	if _, err := e.f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	const piece = 1 << 16
	var out []byte
	for int64(len(out)) < size {
		at := len(out)
		n := int(min(piece, size-int64(at)))
		out = slices.Grow(out, n)[:at+n]
		got, err := e.f.Read(out[at:])
		out = out[:at+got]
		if err == nil && got < n {
			err = io.ErrUnexpectedEOF
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && int64(len(out)) < size {
			return out, err
		}
	}
	return out, nil
}
