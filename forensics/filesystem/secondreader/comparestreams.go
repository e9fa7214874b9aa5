package secondreader

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"kanshiki/forensics/filesystem"
	"kanshiki/parsers/ntfs"
)

// headerSize is the size that the second reader gives every named stream.
const headerSize = 64

// streams compares the size of the unnamed stream, and names and sizes of the
// others.
func (c *comparer) streams(e *filesystem.Entry, f ntfs.File, r *row) {
	unnamed, named := int64(0), 0
	for i := range e.Streams {
		if e.Streams[i].Name == "" {
			unnamed = e.Streams[i].Size
		} else {
			named++
		}
	}
	if r.Size != unnamed {
		c.sizeDiffers(e, f, r, unnamed)
	}
	if named == 0 && len(r.Streams) == 0 {
		return
	}
	left := slices.Clone(r.Streams)
	v := c.viewOf(e.Ref.Entry)
	for s := range f.Streams() {
		if len(s.Name()) > 0 {
			left = c.named(e, s, v, left)
		}
	}
	for _, t := range left {
		var cause Cause
		for _, d := range v.data {
			if text, _ := secondName(d.name); d.foreign && text == t.Name {
				cause = ForeignRecord
			}
		}
		c.streamDiffers(e, t.Name, StreamName, "", t.Name, cause)
	}
}

// sizeDiffers explains another size of the unnamed stream.
func (c *comparer) sizeDiffers(e *filesystem.Entry, f ntfs.File, r *row, ours int64) {
	v := c.viewOf(e.Ref.Entry)
	theirs, from := int64(0), -1 // the first that is not 0
	for i, d := range v.data {
		if d.size != 0 {
			theirs, from = d.size, i
			break
		}
	}
	var cause Cause
	switch {
	case theirs != r.Size:
	case from >= 0 && v.data[from].foreign:
		cause = ForeignRecord
	case from >= 0 && len(v.data[from].name) > 0 && v.agreesOn(ours):
		cause = FirstData
	default:
		if s, ok := f.Stream(""); ok && !v.sees(s.Record(), nil) {
			cause = elsewhere(e, s.Record(), v)
		}
	}
	c.streamDiffers(e, "", Size, strconv.FormatInt(ours, 10), strconv.FormatInt(r.Size, 10), cause)
}

// agreesOn tells whether a size is that of the unnamed stream as far as its
// first piece is seen.
func (v *view) agreesOn(size int64) bool {
	for _, d := range v.data {
		if len(d.name) == 0 && d.low == 0 && !d.foreign {
			return d.size == size
		}
	}
	return size == 0 || v.cut != ""
}

// sees tells whether a piece of a stream in a record is among the attributes
// that the second reader finds.
func (v *view) sees(record uint64, name []byte) bool {
	return slices.ContainsFunc(v.data, func(d seenData) bool { return d.record == record && string(d.name) == string(name) })
}

// named compares one named stream and takes it out of what is left of theirs.
func (c *comparer) named(e *filesystem.Entry, s ntfs.Stream, v *view, left []stream) []stream {
	ours := filesystem.Text(s.Name())
	theirs, nameCause := secondName(s.Name())
	pieces := 0
	for _, d := range v.data {
		if !d.foreign && string(d.name) == string(s.Name()) {
			pieces++
		}
	}
	if theirs == "" { // what is left of a name that is a byte order mark alone
		c.streamDiffers(e, ours, StreamName, ours, "", nameCause)
		return left
	}
	at := slices.IndexFunc(left, func(t stream) bool { return t.Name == theirs })
	if at < 0 {
		var cause Cause
		if pieces == 0 {
			cause = elsewhere(e, s.Record(), v)
		}
		c.streamDiffers(e, ours, StreamName, ours, "", cause)
		return left
	}
	if nameCause != "" {
		c.streamDiffers(e, ours, StreamName, ours, theirs, nameCause)
	}
	if size := left[at].Size; size != s.Size() {
		var cause Cause
		if size == headerSize {
			cause = HeaderSize
		}
		c.streamDiffers(e, ours, StreamSize, strconv.FormatInt(s.Size(), 10), strconv.FormatInt(size, 10), cause)
	}
	left = slices.Delete(left, at, at+1)
	for range pieces - 1 {
		if at = slices.IndexFunc(left, func(t stream) bool { return t.Name == theirs }); at < 0 {
			break
		}
		left = slices.Delete(left, at, at+1)
		c.streamDiffers(e, ours, StreamName, "", theirs, PieceShown)
	}
	return left
}

func (c *comparer) streamDiffers(e *filesystem.Entry, stream string, field Field, ours, theirs string, cause Cause) {
	c.differ(Difference{Entry: e.Ref.Entry, Sequence: e.Ref.Sequence, Stream: stream, Field: field, Ours: ours, Theirs: theirs}, cause)
}

// contents compares the bytes of the streams of an entry in use.
func (c *comparer) contents(e *filesystem.Entry, f ntfs.File, r *row) {
	if !c.o.Hash || !f.InUse() {
		return
	}
	alone := c.vol.Source() == ntfs.FromCaller // no clusters are at hand
	for s := range f.Streams() {
		name, _ := secondName(s.Name())
		at := slices.IndexFunc(r.Contents, func(t content) bool { return t.Name == name })
		sum, size, err := c.digest(s)
		switch {
		case errors.Is(err, errHoles):
			c.sum.Holes++
			continue
		case err != nil || alone:
			c.sum.Unread++
			continue
		}
		c.sum.Hashed++
		var t content
		if at >= 0 {
			t = r.Contents[at]
		} else {
			t.Err = "no such stream"
		}
		if t.SHA256 == sum && t.Err == "" {
			continue
		}
		d := Difference{Entry: e.Ref.Entry, Sequence: e.Ref.Sequence, Stream: filesystem.Text(s.Name()), Field: Content, Ours: fmt.Sprintf("%d bytes, sha256 %s", size, sum)}
		d.Theirs = fmt.Sprintf("%d bytes, sha256 %s", t.Bytes, t.SHA256)
		if t.Err != "" {
			d.Theirs = fmt.Sprintf("%d bytes, %s", t.Bytes, t.Err)
		}
		c.differ(d, c.contentCause(f, s, t))
	}
}

var errHoles = errors.New("mostly holes: larger than the volume")

// digest hashes a stream of ours.
func (c *comparer) digest(s ntfs.Stream) (sum string, size int64, err error) {
	if s.Size() > longestStream(c.volume) {
		return "", 0, errHoles
	}
	st, err := c.n.OpenStream(s)
	if err != nil {
		return "", 0, err
	}
	if c.buf == nil {
		c.buf = make([]byte, 256<<10)
	}
	h := sha256.New()
	for size < st.Size() {
		if err := c.ctx.Err(); err != nil {
			return "", 0, err
		}
		n, err := st.ReadAt(c.buf, size)
		h.Write(c.buf[:n])
		size += int64(n)
		if err != nil && !(errors.Is(err, io.EOF) && size == st.Size()) {
			return "", 0, err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}
