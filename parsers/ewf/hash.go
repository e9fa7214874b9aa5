package ewf

import (
	"encoding/hex"
	"strings"

	"kanshiki/parsers/internal/cursor"
)

// Digest is one that the image states of its whole media.
type Digest struct {
	Alg    string // "md5", "sha1", "sha256"
	Sum    string // lower-case hex
	Source string // "hash", "digest" or "xhash": the section
}

// Payloads, in bytes: of hash, of digest, and of error2 before its runs.
const (
	hashSize   = 36
	digestSize = 80
	errorHead  = 520
)

// parseHash decodes the 36 bytes of a hash section.
func parseHash(b []byte, off int64) ([]Digest, error) {
	if len(b) < hashSize {
		return nil, cursor.Errorf(off, "hash section: need %d bytes, have %d", hashSize, len(b))
	}
	body, err := checked(b[:hashSize], off, "hash section")
	if err != nil {
		return nil, err
	}
	return stated(nil, "md5", body[:16], "hash"), nil
}

// parseDigest decodes the 80 bytes of a digest section (EnCase 6.12 and later).
func parseDigest(b []byte, off int64) ([]Digest, error) {
	if len(b) < digestSize {
		return nil, cursor.Errorf(off, "digest section: need %d bytes, have %d", digestSize, len(b))
	}
	body, err := checked(b[:digestSize], off, "digest section")
	if err != nil {
		return nil, err
	}
	out := stated(nil, "md5", body[:16], "digest")
	return stated(out, "sha1", body[16:36], "digest"), nil
}

// parseXHash decodes the values of an xhash document.
func parseXHash(values []Value, off int64) (out []Digest, err error) {
	for _, v := range values {
		alg, sum := strings.ToLower(v.ID), strings.ToLower(v.Text)
		size, known := map[string]int{"md5": 16, "sha1": 20, "sha256": 32}[alg]
		if !known {
			continue
		}
		if raw, e := hex.DecodeString(sum); e != nil || len(raw) != size {
			err = cursor.Errorf(off, "xhash section: %s of %q", alg, v.Text)
			continue
		}
		out = append(out, Digest{alg, sum, "xhash"})
	}
	return out, err
}

// stated appends a digest unless its field is all zero, which means not set.
func stated(to []Digest, alg string, sum []byte, source string) []Digest {
	for _, b := range sum {
		if b != 0 {
			return append(to, Digest{alg, hex.EncodeToString(sum), source})
		}
	}
	return to
}

// SectorRun is a run of sectors that could not be read when they were acquired.
type SectorRun struct{ First, Count uint32 }

// parseErrors decodes an error2 section.
func parseErrors(b []byte, off int64) ([]SectorRun, error) {
	if len(b) < errorHead {
		return nil, cursor.Errorf(off, "error2 section: need %d bytes, have %d", errorHead, len(b))
	}
	if _, err := checked(b[:errorHead], off, "error2 section"); err != nil {
		return nil, err
	}
	c := cursor.At(b, off)
	n := int64(c.U32("number of runs"))
	if n > MaxRuns || n*8+4 > int64(len(b)-errorHead) {
		return nil, cursor.Errorf(off, "error2 section: %d runs in %d bytes, limit %d", n, len(b)-errorHead, MaxRuns)
	}
	_, err := checked(b[errorHead:errorHead+n*8+4], off+errorHead, "error2 runs")
	if err != nil {
		return nil, err
	}
	c.Seek(errorHead, "runs")
	out := make([]SectorRun, n)
	for i := range out {
		out[i] = SectorRun{c.U32("first sector"), c.U32("sectors")}
	}
	return out, c.Err()
}
