package secondreader

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	gontfs "www.velocidex.com/golang/go-ntfs/parser"
)

// contents reads every $DATA stream of an entry through go-ntfs, with the
// volume at hand.
func contents(n *gontfs.NTFSContext, entry, longest int64) []content {
	e, err := n.GetMFT(entry)
	if err != nil {
		return []content{{Err: err.Error()}}
	}
	var out []content
	seen := map[string]bool{}
	for _, a := range e.EnumerateAttributes(n) {
		if a.Type().Value != gontfs.ATTR_TYPE_DATA {
			continue
		}
		name := a.Name()
		if seen[name] {
			continue
		}
		seen[name] = true
		c := content{Name: name}
		s, err := gontfs.OpenStream(n, e, gontfs.ATTR_TYPE_DATA, gontfs.WILDCARD_STREAM_ID, name)
		if err != nil {
			c.Err = err.Error()
		} else {
			c.digest(s, longest)
		}
		out = append(out, c)
	}
	return out
}

// digest reads to the end of what the ranges of the stream describe.
func (c *content) digest(s gontfs.RangeReaderAt, longest int64) {
	size := gontfs.RangeSize(s)
	if size > longest {
		c.Err = fmt.Sprintf("%d bytes are over the limit", size)
		return
	}
	h := sha256.New()
	buf := make([]byte, 256<<10)
	for c.Bytes < size {
		n, err := s.ReadAt(buf[:min(int64(len(buf)), size-c.Bytes)], c.Bytes)
		h.Write(buf[:n])
		c.Bytes += int64(n)
		if err != nil && !errors.Is(err, io.EOF) {
			c.Err = err.Error()
		}
		if n == 0 || c.Err != "" {
			break
		}
	}
	c.SHA256 = hex.EncodeToString(h.Sum(nil))
}
