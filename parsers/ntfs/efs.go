package ntfs

import (
	"encoding/hex"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// EFSKey is one entry of $EFS: somebody who can decrypt the file. User entries
// stand in the data decryption field, recovery agents in the data recovery
// field.
//
// Source: [MS-EFSR] 2.2.2.1; ntfs-3g, layout.h.
type EFSKey struct {
	Recovery   bool   // a recovery agent, not a user
	SID        []byte // may be missing
	Thumbprint string // SHA-1 of the certificate in hex
	User       string // as the certificate names him, WTF-8
	Container  string // of the private key
	Provider   string
}

// maxEFSKeys bounds the entries of a field; each takes twenty bytes and more.
const maxEFSKeys = 1024

// EFS lists who can decrypt the file, from its $EFS attribute. ok is false where
// it has none. What could be decoded is given beside the error.
func (f File) EFS() (keys []EFSKey, ok bool, err error) {
	b, ok, err := f.namedValue(AttrLoggedUtilityStream, "$EFS")
	if !ok || err != nil {
		return nil, ok, err
	}
	c := cursor.New(b)
	c.Seek(64, "offset of the data decryption field")
	users, agents := int(c.U32("data decryption field")), int(c.U32("data recovery field"))
	if c.Err() != nil {
		return nil, true, c.Err()
	}
	for _, field := range []struct {
		at       int
		recovery bool
	}{{users, false}, {agents, true}} {
		if field.at == 0 {
			continue
		}
		keys, err = efsField(keys, b, field.at, field.recovery)
		if err != nil {
			return keys, true, err
		}
	}
	return keys, true, nil
}

// efsField decodes a count and the entries behind it.
func efsField(keys []EFSKey, b []byte, at int, recovery bool) ([]EFSKey, error) {
	c := cursor.New(b)
	c.Seek(at, "field of keys")
	n := int(c.U32("number of keys"))
	if c.Err() == nil && n > maxEFSKeys {
		c.Fail("%d keys", n)
	}
	p := at + 4
	for range n {
		c.Seek(p, "key")
		length, cred := int(c.U32("length")), int(c.U32("credential"))
		if c.Err() == nil && (length < 20 || length > len(b)-p) {
			c.Fail("key of %d bytes, have %d", length, len(b)-p)
		}
		if c.Err() != nil {
			return keys, c.Err()
		}
		k, err := efsCredential(b[p:p+length], cred)
		k.Recovery = recovery
		keys = append(keys, k)
		if err != nil {
			return keys, cursor.AddBase(err, int64(p))
		}
		p += length
	}
	return keys, c.Err()
}

// efsCredential decodes the public part of a key; offsets count from its own
// beginning.
func efsCredential(b []byte, at int) (EFSKey, error) {
	var k EFSKey
	c := cursor.New(b)
	c.Seek(at, "credential")
	c.Skip(4, "length")
	sid, kind := int(c.U32("SID")), c.U32("kind")
	c.Skip(4, "length of the certificate data")
	cert := int(c.U32("certificate data"))
	if c.Err() != nil {
		return k, c.Err()
	}
	if sid != 0 {
		c.Seek(at+sid, "SID")
		head := c.Take(2, "SID")
		if len(head) == 2 {
			c.Seek(at+sid, "SID")
			k.SID = c.Take(8+4*int(head[1]&15), "SID")
		}
	}
	const thumbprint = 3
	if kind != thumbprint || c.Err() != nil {
		return k, c.Err()
	}
	base := at + cert
	c.Seek(base, "certificate data")
	print, size := int(c.U32("thumbprint")), int(c.U32("size of the thumbprint"))
	container, provider, user := int(c.U32("container")), int(c.U32("provider")), int(c.U32("user"))
	c.Seek(base+print, "thumbprint")
	k.Thumbprint = hex.EncodeToString(c.Take(min(size, 64), "thumbprint"))
	for _, x := range []struct {
		at int
		to *string
	}{{container, &k.Container}, {provider, &k.Provider}, {user, &k.User}} {
		if x.at == 0 || c.Err() != nil {
			continue
		}
		c.Seek(base+x.at, "name")
		*x.to = utf16.String(untilNUL(c.Take(c.Left()&^1, "name")))
	}
	return k, c.Err()
}

// untilNUL cuts UTF-16LE at its first zero unit.
func untilNUL(b []byte) []byte {
	for i := 0; i+1 < len(b); i += 2 {
		if b[i]|b[i+1] == 0 {
			return b[:i]
		}
	}
	return b
}

// EA is one extended attribute: a name and a value, kept for OS/2 and used by
// the Windows Subsystem for Linux ($LX…) and the kernel ($KERNEL.PURGE.…).
type EA struct {
	Name  string // ASCII as it stands there, WTF-8
	Value []byte
	Need  bool // who does not know it must not open the file
}

// EAs lists the extended attributes of the file. Source: [MS-FSCC] 2.4.16; on
// the medium the last entry need not say 0 for the next one, but the end of the
// list.
func (f File) EAs() ([]EA, error) {
	b, ok, err := f.Value(AttrEA)
	if !ok || err != nil {
		return nil, err
	}
	var out []EA
	for p := 0; ; {
		c := cursor.At(b[p:], int64(p))
		next := int(c.U32("next entry"))
		flags := c.U8("flags")
		nl, vl := int(c.U8("name length")), int(c.U16("value length"))
		name := c.Take(nl, "name")
		c.Skip(1, "end of the name")
		value := c.Take(vl, "value")
		if c.Err() != nil {
			return out, c.Err()
		}
		out = append(out, EA{Name: string(name), Value: value, Need: flags&0x80 != 0})
		if next == 0 {
			return out, nil
		}
		if next < 8 || next > len(b)-p {
			return out, cursor.Errorf(int64(p), "next entry %d bytes on, have %d", next, len(b)-p)
		}
		if p += next; p == len(b) {
			return out, nil
		}
	}
}
