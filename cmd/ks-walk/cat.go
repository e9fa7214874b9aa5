package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/filesystem"
	"kanshiki/parsers/ntfs"
)

const catHelp = `
    ks-walk cat fixtures/quarantined-pc/quarantined-pc.E01 Windows/System32/drivers/etc/hosts

ks-walk cat [OPTIONS] IMAGE PATH…

The content of each stream on standard output. Ranges that cannot be read are
zero in the output, and a warning lists them; so are ranges of a deleted file
that belong to another file now. The exit code is 3 then.
`

func runCat(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(catHelp, stdout)
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	if len(args) < 2 {
		return cli.Usage("name an image and a path in it, for example ks-walk cat disk.E01 Windows/win.ini")
	}
	s, err := c.open(ctx, args[0], stderr)
	if err != nil {
		return err
	}
	return s.write(stdout, func(w *bufio.Writer) error { return s.cat(ctx, args[1:], w) })
}

func (s *session) cat(ctx context.Context, paths []string, w io.Writer) error {
	for _, p := range paths {
		t, err := s.find(ctx, p)
		if err != nil {
			return err
		}
		content, err := openContent(ctx, t.vol, t.ref, t.stream)
		if err != nil {
			return fmt.Errorf("%s: %w", escape.Text(p), err)
		}
		if _, err := content.copyTo(ctx, w); err != nil {
			return err
		}
		for _, line := range content.warnings() {
			s.warn("%s: %s", p, line)
		}
	}
	return nil
}

// content is a stream that is read to its end: with zeros for what cannot be
// read and for what belongs to another file.
type content struct {
	from io.ReaderAt
	bad  func() []lostRange   // what could not be read so far
	rec  *filesystem.Recovery // of a deleted entry
	end  *lostRange           // where it ends before its size
	size int64
}

// lostRange is a part of a stream that could not be read.
type lostRange struct {
	from, to int64
	why      string
}

func openContent(ctx context.Context, v opened, ref filesystem.Ref, stream string) (*content, error) {
	e, err := v.files.Entry(ctx, ref)
	if err != nil {
		return nil, err
	}
	if e.Kind == filesystem.Dir && stream == "" && !hasUnnamed(e.Streams) {
		return nil, fmt.Errorf("a directory has no content; ks-walk list shows what is in it")
	}
	c := &content{}
	if v.fs != nil {
		rd, err := v.fs.OpenZeroFill(ref, stream)
		if err != nil {
			return nil, err
		}
		c.from, c.size = rd, rd.Size()
		c.bad = func() (out []lostRange) {
			for _, r := range rd.Lost() {
				out = append(out, lostRange{r.From, r.To, r.Damage.Error()})
			}
			return out
		}
	} else {
		st, err := v.files.Open(ctx, ref, stream)
		if err != nil {
			return nil, err
		}
		z := &zeroFiller{st: st}
		c.from, c.size, c.bad = z, st.Size(), func() []lostRange { return z.lost }
	}
	if !e.InUse {
		rec, err := v.files.Recovery(ref, stream)
		if err != nil {
			return nil, err
		}
		c.rec, c.from = &rec, rec.Mask(c.from)
	}
	return c, nil
}

// zeroFiller reads on through ranges that cannot be read, and keeps them.
type zeroFiller struct {
	st   filesystem.Stream
	lost []lostRange
}

func (z *zeroFiller) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for {
		k, err := z.st.ReadAt(p[n:], off+int64(n))
		n += k
		var se *filesystem.StreamError
		if !errors.As(err, &se) || se.To >= z.st.Size() || se.To <= off+int64(n) {
			return n, err
		}
		if last := len(z.lost) - 1; last >= 0 && z.lost[last].to == se.From {
			z.lost[last].to = se.To
		} else {
			z.lost = append(z.lost, lostRange{se.From, se.To, se.Error()})
		}
		gap := p[n:min(int64(len(p)), se.To-off)]
		clear(gap)
		if n += len(gap); n == len(p) {
			return n, nil
		}
	}
}

// copyTo writes the content and returns how much there was. The error is that
// of w or of ctx.
func (c *content) copyTo(ctx context.Context, w io.Writer) (int64, error) {
	buf := make([]byte, 256<<10)
	var off int64
	for off < c.size {
		if err := ctx.Err(); err != nil {
			return off, err
		}
		n, err := c.from.ReadAt(buf, off)
		if _, werr := w.Write(buf[:n]); werr != nil {
			return off, werr
		}
		off += int64(n)
		var re *ntfs.RangeError
		var se *filesystem.StreamError
		switch {
		case errors.As(err, &re):
			c.end = &lostRange{re.From, re.To, re.Damage.Error()}
			return off, nil
		case errors.As(err, &se):
			c.end = &lostRange{se.From, se.To, se.Error()}
			return off, nil
		}
		if err != nil && err != io.EOF || n == 0 {
			break
		}
	}
	return off, nil
}

func (c *content) lost() []lostRange {
	if c.bad == nil {
		return nil
	}
	return c.bad()
}

// whole tells whether every byte is the stream's own.
func (c *content) whole() bool {
	return c.end == nil && len(c.lost()) == 0 && (c.rec == nil || c.rec.Verdict == "whole")
}

// warnings say what is not the stream's own.
func (c *content) warnings() []string {
	const most = 20
	var out []string
	lost := c.lost()
	if k := len(lost) - 1; c.end != nil && k >= 0 && lost[k].from == c.end.from { // it stands in the list as well
		lost = lost[:k]
	}
	if len(lost) > 0 {
		var at []string
		var bytes int64
		for i, r := range lost {
			bytes += r.to - r.from
			if i < most {
				at = append(at, fmt.Sprintf("%#x to %#x", r.from, r.to))
			}
		}
		if len(lost) > most {
			at = append(at, fmt.Sprintf("and %d more", len(lost)-most))
		}
		out = append(out, fmt.Sprintf("%d ranges of %s bytes are unreadable and zero in the output: %s (%s)",
			len(lost), cli.Count(bytes), strings.Join(at, ", "), lost[0].why))
	}
	if c.end != nil {
		out = append(out, fmt.Sprintf("ends at %#x of %#x: %s", c.end.from, c.size, c.end.why))
	}
	if c.rec == nil || c.rec.Verdict == "whole" {
		return out
	}
	var ranges []string
	for i, r := range c.rec.Ranges {
		if i == most {
			ranges = append(ranges, fmt.Sprintf("and %d more", len(c.rec.Ranges)-most))
			break
		}
		s := r.String()
		if r.Foreign {
			s += ", zero in the output"
		}
		ranges = append(ranges, s)
	}
	return append(out, fmt.Sprintf("deleted, %s: %s", c.rec.Verdict, strings.Join(ranges, "; ")))
}
