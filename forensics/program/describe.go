package program

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/internal/guard"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/program/known"
	"kanshiki/parsers/pe"
)

// DefaultLimit is the number of bytes of a file that are read as a program;
// digests are always of the whole.
const DefaultLimit = 64 << 20

// maxTable bounds the certificate table of a file over the limit.
const maxTable = 8 << 20

// Options say where a file lies and what is known around it. The zero value
// works.
type Options struct {
	At         locator.Locator
	Source     string      // path as ks-walk list prints it
	Name       string      // name of the file, for facts about it; "" is the last part of Source
	Pool       *Pool       // nil: read in this process, where only panics are caught
	Limit      int64       // bytes read as a program, 0 is DefaultLimit
	Catalogues *Catalogues // of the machine that the file lay on, nil where not read
	Known      []*known.List
}

// Describe reads one file and says what it says of itself. Facts are never
// nil; what could not be read stands in the problems, and in the row.
func Describe(ctx context.Context, r io.ReaderAt, size int64, o Options) (*Facts, []problem.Problem) {
	d := &description{ctx: ctx, o: o, size: size, r: r}
	if d.o.Limit == 0 {
		d.o.Limit = DefaultLimit
	}
	if d.o.Name == "" {
		d.o.Name = path.Base(strings.ReplaceAll(o.Source, `\`, "/"))
	}
	if o.Pool != nil && size > bigFile {
		o.Pool.big.Lock()
		defer o.Pool.big.Unlock()
	}
	room, sums := d.read()
	p := d.parse(room)
	w := &p.Facts
	w.File, w.Size = escape.Text(o.Source), size
	if sums != nil {
		w.MD5, w.SHA1, w.SHA256 = sums[0], sums[1], sums[2]
	}
	w.Problems = append(d.found, w.Problems...)
	if w.IsProgram {
		d.finish(p)
	} else {
		w.State = Unknown
	}
	d.lookUp(w)
	w.fill()
	return w, d.problems(w)
}

// fill makes lists of what is empty, so that a row has every key.
func (w *Facts) fill() {
	if w.Sections == nil {
		w.Sections = []Section{}
	}
	if w.ImportLibraries == nil {
		w.ImportLibraries = []string{}
	}
	if w.Facts == nil {
		w.Facts = []Fact{}
	}
	if w.Problems == nil {
		w.Problems = []Problem{}
	}
}

type description struct {
	ctx   context.Context
	o     Options
	r     io.ReaderAt
	size  int64
	found []Problem
	bad   bool // some bytes could not be read
}

// read gives the beginning of the file and the digests of the whole, nil where
// a byte of it could not be read. What cannot be read is zeros and a problem.
// Before the beginning is the room that a request needs.
func (d *description) read() (b []byte, sums []string) {
	const block = 1 << 16
	h := []interface {
		io.Writer
		Sum([]byte) []byte
	}{md5.New(), sha1.New(), sha256.New()}
	buf := make([]byte, block)
	b = make([]byte, requestHead, requestHead+min(max(d.size, 0), d.o.Limit)) // bounded by the limit, whatever size is claimed
	for off := int64(0); off < d.size; off += block {
		if d.ctx.Err() != nil {
			d.bad = true
			d.found = append(d.found, Problem{Offset: off, Length: d.size - off, Kind: problem.NotLooked, Severity: problem.Lost, Found: d.ctx.Err().Error()})
			break
		}
		p := buf[:min(block, d.size-off)]
		clear(p)
		n, err := d.r.ReadAt(p, off)
		if n < len(p) || (err != nil && !errors.Is(err, io.EOF)) {
			d.unreadable(off, n, len(p), err)
		}
		for _, x := range h {
			_, _ = x.Write(p)
		}
		if left := d.o.Limit - int64(len(b)-requestHead); left > 0 {
			b = append(b, p[:min(left, int64(len(p)))]...)
		}
	}
	if d.bad {
		return b, nil
	}
	for _, x := range h {
		sums = append(sums, hex.EncodeToString(x.Sum(nil)))
	}
	return b, sums
}

// unreadable keeps one problem for each range; ranges that touch are one.
func (d *description) unreadable(off int64, n, want int, err error) {
	d.bad = true
	at, length := off+int64(n), int64(want-n)
	var placed interface{ Offset() int64 }
	if errors.As(err, &placed) && placed.Offset() >= off && placed.Offset() < off+int64(want) {
		at = placed.Offset()
		length = off + int64(want) - at
	}
	found := "the file ends"
	if err != nil && !errors.Is(err, io.EOF) {
		found = escape.Text(err.Error())
	}
	if k := len(d.found); k > 0 && d.found[k-1].Offset+d.found[k-1].Length == at && d.found[k-1].Kind == problem.Unreadable {
		d.found[k-1].Length += length
		return
	}
	d.found = append(d.found, Problem{Offset: at, Length: length, Kind: problem.Unreadable, Severity: problem.Lost, Expected: "readable bytes", Found: found})
}

// parse lets the child process read the bytes, or this one.
func (d *description) parse(room []byte) *parsed {
	b := room[requestHead:]
	if len(b) < 2 || b[0] != 'M' || b[1] != 'Z' { // nothing for a parser
		return &parsed{Facts: Facts{NotProgram: "not a portable executable: no MZ signature"}}
	}
	req := request{size: d.size, head: b, table: d.table(b)}
	var p *parsed
	var err error
	if d.o.Pool != nil {
		p, err = d.o.Pool.call(d.ctx, req, room)
	} else {
		err = guard.Run(func() error { p = collect(req); return nil })
	}
	if err == nil {
		return p
	}
	kind, severity, found := problem.ParserFault, problem.Lost, err.Error()
	var death *guard.Death
	switch {
	case d.ctx.Err() != nil:
		kind = problem.NotLooked
	case errors.As(err, &death) && !death.Repeatable:
		kind = problem.NoRepeat
	case errors.Is(err, guard.ErrInput):
		kind = problem.OverLimit
	}
	d.found = append(d.found, Problem{Length: d.size, Kind: kind, Severity: severity, Expected: "a program that can be read", Found: escape.Text(found)})
	return &parsed{}
}

// table reads the certificate table where the beginning does not hold it.
func (d *description) table(head []byte) []byte {
	off, n := pe.CertificateRange(head)
	if n == 0 || n > maxTable || off+n > d.size || off+n <= int64(len(head)) {
		return nil
	}
	b := make([]byte, n)
	if _, err := d.r.ReadAt(b, off); err != nil && !errors.Is(err, io.EOF) {
		return nil // read() has told of it
	}
	return b
}

// finish computes what needs the whole file and the surroundings.
func (d *description) finish(p *parsed) {
	w := &p.Facts
	if d.size > d.o.Limit {
		w.say("size-of-prefix", fmt.Sprintf("%d of %d bytes", d.o.Limit, d.size))
		w.Problems = append(w.Problems, Problem{Offset: d.o.Limit, Length: d.size - d.o.Limit, Kind: problem.OverLimit, Severity: problem.Note,
			Found: "only the beginning was read as a program"})
	}
	d.nameFacts(w)
	var sums []string
	if !d.bad {
		algs := []string{"SHA1", "SHA256"}
		if w.Signature != nil {
			for _, s := range w.Signature.Signatures {
				algs = append(algs, s.DigestAlg)
			}
		}
		pad := int64(0)
		if !p.Signed && d.size%8 != 0 {
			pad = 8 - d.size%8
		}
		plain, padded, err := imageHashes(d.r, p.Extents, pad, algs)
		if err != nil {
			w.trouble(err, problem.Unreadable, problem.Lost)
		} else {
			w.ImageSHA1, w.ImageSHA256 = plain["SHA1"], plain["SHA256"]
			sums = []string{plain["SHA256"], plain["SHA1"], padded["SHA256"], padded["SHA1"], w.SHA256, w.SHA1}
			if w.Signature != nil {
				w.Signature.compare(plain)
			}
		}
	}
	w.judge(d.o.Catalogues, sums)
}

// nameFacts holds the name of the file against the name its maker gave.
func (d *description) nameFacts(w *Facts) {
	original := w.VersionText("OriginalFilename")
	if original == "" || d.o.Name == "" || d.o.Name == "." {
		return
	}
	plain := func(s string) string {
		s = strings.ToLower(strings.TrimSpace(s))
		return strings.TrimSuffix(s, ".mui")
	}
	a, b := plain(original), plain(d.o.Name)
	if a != b && a != strings.TrimSuffix(b, path.Ext(b)) { // many makers leave the ending out
		w.say("name-differs", escape.Text(d.o.Name)+", made as "+original)
	}
}

func (d *description) lookUp(w *Facts) {
	if w.SHA256 == "" {
		return
	}
	for _, l := range d.o.Known {
		name, ok, err := l.Lookup(w.MD5, w.SHA1, w.SHA256)
		if err != nil {
			w.trouble(fmt.Errorf("look up in %s: %w", l.Name(), err), problem.Unreadable, problem.Doubt)
			continue
		}
		if ok {
			w.Known = &Known{List: escape.Text(l.Name()), Name: escape.Text(name)}
			w.say("known", strings.TrimSpace(w.Known.List+" "+w.Known.Name))
			return
		}
	}
}

// problems gives the row's problems with their place.
func (d *description) problems(w *Facts) []problem.Problem {
	out := make([]problem.Problem, 0, len(w.Problems))
	for _, p := range w.Problems {
		out = append(out, problem.Problem{At: d.o.At.At(p.Offset), Source: d.o.Source, Artifact: "program", Length: p.Length,
			Kind: p.Kind, Severity: p.Severity, Expected: p.Expected, Found: p.Found})
	}
	return out
}

// DescribeBytes is Describe for what is in memory already.
func DescribeBytes(ctx context.Context, b []byte, o Options) (*Facts, []problem.Problem) {
	return Describe(ctx, bytes.NewReader(b), int64(len(b)), o)
}
