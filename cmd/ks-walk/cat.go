package main

import (
	"bufio"
	"context"
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
		content, err := openContent(ctx, t.vol.fs, t.ref, t.stream)
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
	rd   *ntfs.Reader
	from io.ReaderAt
	rec  *filesystem.Recovery // of a deleted entry
	end  *ntfs.RangeError     // where it ends before its size
	size int64
}

func openContent(ctx context.Context, n *filesystem.NTFS, ref filesystem.Ref, stream string) (*content, error) {
	e, err := n.Entry(ctx, ref)
	if err != nil {
		return nil, err
	}
	if e.Kind == filesystem.Dir && stream == "" && !hasUnnamed(e.Streams) {
		return nil, fmt.Errorf("a directory has no content; ks-walk list shows what is in it")
	}
	rd, err := n.OpenZeroFill(ref, stream)
	if err != nil {
		return nil, err
	}
	c := &content{rd: rd, from: rd, size: rd.Size()}
	if !e.InUse {
		rec, err := n.Recovery(ref, stream)
		if err != nil {
			return nil, err
		}
		c.rec, c.from = &rec, rec.Mask(rd)
	}
	return c, nil
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
		if re, ok := err.(*ntfs.RangeError); ok {
			c.end = re
			return off, nil
		}
		if err != nil && err != io.EOF || n == 0 {
			break
		}
	}
	return off, nil
}

func (c *content) lost() []ntfs.RangeError {
	if c.rd == nil {
		return nil
	}
	return c.rd.Lost()
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
	if c.end != nil && len(lost) > 0 { // it stands in the list as well
		lost = lost[:len(lost)-1]
	}
	if len(lost) > 0 {
		var at []string
		var bytes int64
		for i, r := range lost {
			bytes += r.To - r.From
			if i < most {
				at = append(at, fmt.Sprintf("%#x to %#x", r.From, r.To))
			}
		}
		if len(lost) > most {
			at = append(at, fmt.Sprintf("and %d more", len(lost)-most))
		}
		out = append(out, fmt.Sprintf("%d ranges of %s bytes are unreadable and zero in the output: %s (%s)",
			len(lost), cli.Count(bytes), strings.Join(at, ", "), lost[0].Damage.Error()))
	}
	if c.end != nil {
		out = append(out, fmt.Sprintf("ends at %#x of %#x: %s", c.end.From, c.size, c.end.Damage.Error()))
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
