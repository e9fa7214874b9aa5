package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

const identityBytes = 64 << 10 // read at either end

// exhibitOf is the name of an exhibit: what the examiner gave, or a digest of
// what the evidence says of itself, so that the same evidence has the same
// name wherever its file lies and whatever it is called. Reading all of it for
// that would take hours: size, stored digests and both ends identify it.
func exhibitOf(ctx context.Context, given string, e *Evidence) (string, error) {
	if given != "" {
		return safeName(given), nil
	}
	h := sha256.New()
	switch e.Form {
	case Disk:
		fmt.Fprintln(h, e.Image.Size(), e.Image.Digests())
		identify(h, e.Image, e.Image.Size())
	default:
		files, _, err := e.Tree.Files(ctx)
		if err != nil {
			return "", err
		}
		for _, f := range files {
			fmt.Fprintf(h, "%q %d\n", f.Path, f.Size)
		}
		if e.Form == Loose {
			f, err := e.Tree.Open(files[0].Path)
			if err != nil {
				return "", err
			}
			defer f.Close()
			identify(h, f, f.Size())
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:6]), nil
}

// identify hashes both ends. What cannot be read counts as zeros, which is the
// same at every reading.
func identify(w io.Writer, r io.ReaderAt, size int64) {
	b := make([]byte, min(identityBytes, size))
	for _, off := range []int64{0, size - int64(len(b))} {
		clear(b)
		n, err := r.ReadAt(b, off)
		if err != nil {
			clear(b[n:])
		}
		w.Write(b)
	}
}

// safeName keeps the letters that a folder of the store may have.
func safeName(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	out := strings.TrimSuffix(b.String(), "-")
	return out[:min(len(out), 64)]
}
