package evidence

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"kanshiki/forensics/problem"
)

// Verdict is the answer of one check.
type Verdict string

// The verdicts.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	NotCheckable Verdict = "not-checkable"
)

// Check is one thing that was verified.
type Check struct {
	Name    string // "structure", "checksums", "digests"
	Verdict Verdict
	Detail  string
	Ranges  []Range // of the media, that are the reason
}

// VerifyOptions change what Verify computes. The zero value recomputes the
// digests that the image states.
type VerifyOptions struct {
	Hashes []string // further digests to compute: "md5", "sha1", "sha256"
	Expect []Digest // digests known from elsewhere, compared too
	Add    func(n int64)
	See    func(*Block) // gets every block before it is hashed; nil for nobody
	Record *Record      // custody record of the image, nil for none
}

// Algorithms are the digests that can be computed.
var Algorithms = []string{"md5", "sha1", "sha256"}

func newHash(alg string) hash.Hash {
	switch alg {
	case "md5":
		return md5.New()
	case "sha1":
		return sha1.New()
	case "sha256":
		return sha256.New()
	}
	return nil
}

// Verify reads a whole image once and checks it: its structure, the checksum
// of every part, and the digests of the media, each on a goroutine of its own.
// Where there is a custody record, its digests per MiB are compared on all cores
// instead, or the strongest of the whole where it has none, and what the image
// states must be what the record says.
func Verify(ctx context.Context, img Image, o VerifyOptions) ([]Check, error) {
	record := newRecordCheck(ctx, o.Record, img.Size())
	want := append(img.Digests(), o.Expect...)
	if record != nil { // what it says the same of is proven once
		_, _, want = o.Record.compare(img)
		want = append(want, o.Expect...)
		if !record.all {
			want = append(want, o.Record.strongest()...)
		}
	}
	algs := slices.Clone(o.Hashes)
	for _, d := range want {
		algs = append(algs, d.Alg)
	}
	h := newHashers(algs)
	var bad rangeSet
	err := Stream(ctx, img, func(b *Block) error {
		for _, x := range b.Bad {
			bad.add(x)
		}
		if o.See != nil {
			o.See(b)
		}
		h.write(b, record)
		if o.Add != nil {
			o.Add(b.Len)
		}
		return ctx.Err()
	})
	sums := h.sums(nil)
	record.end()
	if err == nil && record != nil {
		err = record.err
	}
	if err != nil {
		return nil, err
	}
	if record.wants() && record.odd { // blocks that begin elsewhere prove nothing: the whole is hashed
		r := *o.Record
		r.blocks = nil
		o.Record = &r
		return Verify(ctx, img, o)
	}
	tail := map[string]string{}
	if m, ok := img.(*ewfImage); ok {
		if t := m.Tail(); len(t) > 0 {
			tail = h.sums(t)
		}
	}
	if c, ok := img.(interface{ Check() }); ok {
		c.Check() // what reading did not need: copies of tables
	}
	d := digests(want, o.Hashes, sums, tail, &bad)
	if record != nil {
		v := record.verdict(img, &bad)
		if len(want)+len(o.Hashes) > 0 {
			v.Detail = strings.TrimPrefix(v.Detail+"; "+d.Detail, "; ")
			if d.Verdict == Fail {
				v.Verdict = Fail
			}
		}
		d = v
	}
	record.addTo(&d)
	return []Check{structure(img, &bad), checksums(img, &bad), d}, nil
}

// structure judges what opening and reading found wrong with the container.
func structure(img Image, bad *rangeSet) Check {
	c := Check{Name: "structure", Verdict: Pass}
	var faults []string
	for _, p := range img.Problems() {
		if p.Severity == problem.Doubt {
			faults = append(faults, fmt.Sprintf("%s: offset %#x: %s", p.Source, p.At.Offset, p.Found))
		}
	}
	in := img.Info()
	parts := fmt.Sprintf("%d segments", len(in.Segments))
	if len(in.Segments) == 1 {
		parts = "1 segment"
	}
	var unread []Range
	var absent rangeSet
	for x := range img.Ranges(0, img.Size()) {
		switch x.Kind {
		case Unknown:
			absent.add(x)
		case Unreadable:
			unread = append(unread, x)
		}
	}
	for _, x := range bad.in(0, img.Size()) {
		if x.Kind == Unknown {
			absent.add(x)
		}
	}
	c.Ranges = absent.in(0, img.Size())
	missing := len(c.Ranges)
	switch {
	case len(faults) > 0:
		c.Verdict = Fail
		c.Detail = strings.Join(faults, "; ")
	case strings.HasSuffix(in.Format, "raw"):
		c.Verdict, c.Detail = NotCheckable, parts+" of bare sectors; nothing says how many there must be"
	default:
		c.Detail = parts + ", all sections intact"
	}
	if missing > 0 && len(faults) == 0 { // a container may say so of itself, and be whole
		c.Detail += fmt.Sprintf("; %s of the medium not acquired", plural(missing, "range"))
	}
	if len(unread) > 0 {
		c.Ranges = append(c.Ranges, unread...)
		c.Detail += fmt.Sprintf("; %d ranges could not be read when it was acquired", len(unread))
	}
	return c
}

// checksums judges the parts of the container that have a checksum each.
func checksums(img Image, bad *rangeSet) Check {
	c := Check{Name: "checksums", Verdict: Pass}
	var damaged int64
	for _, x := range bad.in(0, img.Size()) {
		if x.Kind == Corrupt {
			c.Ranges = append(c.Ranges, x)
			damaged += x.Len
		}
	}
	var cause string
	for _, p := range img.Problems() {
		if p.Severity == problem.Lost && len(c.Ranges) > 0 && p.At.Offset == c.Ranges[0].Off && p.Length > 0 {
			cause = p.Found
		}
	}
	raw := strings.HasSuffix(img.Info().Format, "raw")
	m, _ := img.(*diskImage)
	switch {
	case damaged > 0:
		c.Verdict = Fail
		c.Detail = fmt.Sprintf("%d bytes in %s are damaged", damaged, plural(len(c.Ranges), "range"))
		if cause != "" {
			c.Detail += "; the first: " + cause
		}
	case raw:
		c.Verdict, c.Detail = NotCheckable, "bare sectors have no checksums; all of them could be read"
	case m != nil && m.bare:
		c.Verdict, c.Detail = NotCheckable, "the container has none for its sectors; all that is there could be read"
	case slices.ContainsFunc(bad.in(0, img.Size()), func(x Range) bool { return x.Kind == Unknown }):
		c.Detail = "all chunks that are there are intact"
	default:
		c.Detail = "all chunks are intact"
	}
	return c
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// digests compares what is stated with what was computed. tail are the digests
// with the bytes that the last chunk holds beyond the media, if it does.
func digests(want []Digest, extra []string, sums, tail map[string]string, bad *rangeSet) Check {
	c := Check{Name: "digests", Verdict: Pass, Ranges: bad.in(0, 1<<62)}
	var said []string
	if len(want) == 0 {
		c.Verdict = NotCheckable
		said = append(said, "none is stated")
	}
	stated := map[string]bool{}
	for _, d := range joined(want) {
		stated[d.Alg] = true
		switch have := sums[d.Alg]; {
		case len(c.Ranges) > 0:
			c.Verdict = Fail
			said = append(said, fmt.Sprintf("%s %s cannot match: %s damaged or missing", d.Alg, d.Sum, isAre(len(c.Ranges))))
		case tail[d.Alg] == d.Sum:
			said = append(said, fmt.Sprintf("%s %s (%s; of the media and the uncounted bytes behind it)", d.Alg, d.Sum, d.Source))
		case have != d.Sum:
			c.Verdict = Fail
			said = append(said, fmt.Sprintf("%s: stated %s (%s), calculated %s", d.Alg, d.Sum, d.Source, have))
		default:
			said = append(said, fmt.Sprintf("%s %s (%s)", d.Alg, d.Sum, d.Source))
		}
	}
	for _, alg := range extra {
		if !stated[alg] && len(c.Ranges) == 0 {
			said = append(said, fmt.Sprintf("%s %s (calculated, nothing to compare with)", alg, sums[alg]))
		}
	}
	c.Detail = strings.Join(said, "; ")
	return c
}

// joined says a digest once where two sections state the same.
func joined(all []Digest) (out []Digest) {
next:
	for _, d := range all {
		for i := range out {
			if o := &out[i]; o.Alg == d.Alg && o.Sum == d.Sum {
				o.Source = strings.TrimSuffix(o.Source, " section") + " and " + d.Source
				if strings.HasSuffix(d.Source, " section") {
					o.Source += "s"
				}
				continue next
			}
		}
		out = append(out, d)
	}
	return out
}

func isAre(n int) string {
	if n == 1 {
		return "1 range is"
	}
	return fmt.Sprintf("%d ranges are", n)
}

// hashers feed blocks to several hashes at once.
type hashers struct {
	in  []chan *sharedBlock
	h   []hash.Hash
	alg []string
	wg  sync.WaitGroup
}

type sharedBlock struct {
	*Block
	refs atomic.Int32
}

func (b *sharedBlock) done() {
	if b.refs.Add(-1) == 0 {
		b.Release()
	}
}

func newHashers(algs []string) *hashers {
	s := &hashers{}
	slices.Sort(algs)
	for _, alg := range slices.Compact(algs) {
		h := newHash(alg)
		if h == nil {
			continue
		}
		in := make(chan *sharedBlock, 2)
		s.in, s.h, s.alg = append(s.in, in), append(s.h, h), append(s.alg, alg)
		s.wg.Go(func() {
			for b := range in {
				h.Write(b.Data)
				b.done()
			}
		})
	}
	return s
}

func (s *hashers) write(b *Block, record *recordCheck) {
	sb := &sharedBlock{Block: b}
	sb.refs.Store(int32(len(s.in)) + 1)
	if record.wants() {
		sb.refs.Add(1)
		record.in <- sb
	}
	for _, in := range s.in {
		in <- sb
	}
	sb.done()
}

// sums ends the hashes and gives the digests of all that was written, and of
// more behind it.
func (s *hashers) sums(more []byte) map[string]string {
	out := map[string]string{}
	for _, in := range s.in {
		close(in)
	}
	s.in = nil
	s.wg.Wait()
	for i, h := range s.h {
		h.Write(more)
		out[s.alg[i]] = hex.EncodeToString(h.Sum(nil))
	}
	return out
}
