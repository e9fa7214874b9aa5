package inflate

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/flate"
)

// Raw decodes a bare deflate stream (RFC 1951) at the start of src into all of
// dst. What the stream holds beyond dst is not looked at: containers that store
// bare streams keep no length and no checksum of them.
func Raw(dst, src []byte) error {
	r := flate.NewReader(bytes.NewReader(src))
	defer r.Close()
	_, err := io.ReadFull(r, dst)
	if err != nil {
		return cut(err)
	}
	return nil
}
