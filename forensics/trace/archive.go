package trace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"kanshiki/forensics/event"
	"kanshiki/forensics/internal/guard"
	"kanshiki/parsers/rar"
	"kanshiki/parsers/zip"
)

// maxMember is the size up to which a member is unpacked for its digest, and
// maxUnpacked that of all members of one archive together.
const (
	maxMember   = 64 << 20
	maxUnpacked = 512 << 20
)

// Archive lists the members of an archive that is one by its content: ZIP and
// RAR. A member whose content can be read and fits its own checksum has a
// digest; nil and no error where the content is no archive.
func Archive(ctx context.Context, r io.ReaderAt, size int64) (members []Member, err error) {
	err = guard.Run(func() error {
		members, err = listZip(ctx, r, size)
		if errors.Is(err, zip.ErrNotZip) {
			members, err = listRAR(ctx, r, size)
		}
		if errors.Is(err, rar.ErrNotRAR) {
			err = nil
		}
		return err
	})
	return members, err
}

func listZip(ctx context.Context, r io.ReaderAt, size int64) ([]Member, error) {
	a, err := zip.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	return unpack(ctx, len(a.Members), func(i int) (Member, bool) {
		m := &a.Members[i]
		return Member{Name: m.Name, Size: m.Size, CRC32: m.CRC32, HasCRC: true, Encrypted: m.Encrypted(), Modified: event.Ticks(m.Modified)}, m.Dir()
	}, func(i int) ([]byte, error) { return a.Content(&a.Members[i], maxMember) })
}

func listRAR(ctx context.Context, r io.ReaderAt, size int64) ([]Member, error) {
	a, err := rar.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	return unpack(ctx, len(a.Members), func(i int) (Member, bool) {
		m := &a.Members[i]
		return Member{Name: m.Name, Size: m.Size, CRC32: m.CRC32, HasCRC: true, Encrypted: m.Encrypted(), Modified: event.Ticks(m.Modified)}, m.Dir()
	}, func(i int) ([]byte, error) { return a.Content(&a.Members[i], maxMember) })
}

// unpack lists n members without the folders among them, and gives each whose
// content can be read its digest, within the limits.
func unpack(ctx context.Context, n int, member func(int) (m Member, folder bool), content func(int) ([]byte, error)) ([]Member, error) {
	var out []Member
	left := int64(maxUnpacked)
	for i := range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m, folder := member(i)
		if folder {
			continue
		}
		if m.Size >= 0 && m.Size <= min(maxMember, left) {
			left -= m.Size
			if b, err := content(i); err == nil {
				m.SHA256 = digestOf(b)
			}
		}
		out = append(out, m)
	}
	return out, nil
}

func digestOf(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
