package lfs

import (
	"encoding/binary"
	"io"
)

// Kind is what a page of the file holds.
type Kind uint8

// The kinds of pages. Every page has exactly one.
const (
	RestartPage Kind = iota
	RecordPage
	CopyPage    // of a record page that was not full when it was written (tail copy, fast page)
	EmptyPage   // 0xFF or zeros throughout
	DamagedPage // something else
	UnreadPage  // the medium did not give it
)

var kindNames = [...]string{"restart", "records", "copy", "empty", "damaged", "unread"}

func (k Kind) String() string { return kindNames[k] }

// Page is one page.
type Page struct {
	Off     int64
	Len     int64
	Kind    Kind
	Home    int64  // where the records of a copy belong; Off for others
	LastLSN uint64 // of a record page
	Torn    int    // sectors whose fixup does not fit
	Err     error  // why it is damaged or unread
}

// Pages lists every page, in the order of the file: they add up to its size.
func (f *File) Pages() []Page { return f.pages }

// scan looks at each page.
func (f *File) scan() {
	buf := make([]byte, f.page)
	for off := int64(0); off < f.size; off += f.page {
		n := min(f.page, f.size-off)
		p := Page{Off: off, Len: n, Home: off}
		k, err := f.r.ReadAt(buf[:n], off)
		if int64(k) < n {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			p.Kind, p.Err = UnreadPage, &Damage{off + int64(k), "cannot be read", err}
		} else {
			f.look(&p, buf[:n])
		}
		f.pages = append(f.pages, p)
	}
}

func (f *File) look(p *Page, b []byte) {
	p.Kind = DamagedPage
	switch {
	case filled(b, 0xFF) || filled(b, 0):
		p.Kind = EmptyPage
	case len(b) < minPage:
		p.Err = &Damage{p.Off, "the file ends in a page", io.ErrUnexpectedEOF}
	case string(b[:4]) == "RSTR" || string(b[:4]) == "CHKD":
		p.Kind = RestartPage
		p.Torn = fixup(b)
	case string(b[:4]) == "RCRD" || string(b[:4]) == "BAAD":
		p.Kind, p.LastLSN = RecordPage, binary.LittleEndian.Uint64(b[8:])
		p.Torn = fixup(b)
		f.home(p, b)
	default:
		p.Err = &Damage{Off: p.Off, What: "no signature of a page"}
	}
	if int64(len(b)) < f.page && p.Err == nil {
		p.Err = &Damage{p.Off + int64(len(b)), "the file ends in a page", io.ErrUnexpectedEOF}
	}
	if p.Torn > 0 && p.Err == nil {
		p.Err = &Damage{Off: p.Off, What: "a torn write"}
	}
}

// home finds where the records of a copy belong. Version 1 keeps copies of the
// last page in the two pages behind the restart pages, and has the place where
// others have the LSN; version 2 has 32 such pages, and the place at byte 60.
func (f *File) home(p *Page, b []byte) {
	n := p.Off / f.page
	var at int64
	switch {
	case f.twoPoint && n >= 2 && n < 2+fastPages:
		at = int64(binary.LittleEndian.Uint32(b[60:]))
	case !f.twoPoint && n >= 2 && n < 2+tailCopies:
		at = int64(binary.LittleEndian.Uint64(b[8:]) & (1<<62 - 1))
		p.LastLSN = binary.LittleEndian.Uint64(b[32:])
	default:
		return
	}
	p.Kind = CopyPage
	whole := f.size // a file may be cut, and its copies still know where they belong
	if f.Restart != nil {
		whole = max(whole, int64(f.Restart.FileSize&(1<<62-1)))
	}
	if at%f.page == 0 && at < whole && at > 0 {
		p.Home = at
	}
}

func filled(b []byte, v byte) bool {
	for _, x := range b {
		if x != v {
			return false
		}
	}
	return true
}

// load reads a page and puts its fixups back.
func (f *File) load(off int64, buf []byte) ([]byte, error) {
	b := buf[:min(f.page, f.size-off)]
	if n, err := f.r.ReadAt(b, off); n < len(b) {
		return nil, &Damage{off + int64(n), "cannot be read", err}
	}
	fixup(b)
	return b, nil
}
