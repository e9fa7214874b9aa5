package destlist

import (
	"errors"

	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/utf16"
)

// GUID is an identifier as Windows stores it.
type GUID = guid.GUID

// List is a DestList stream.
type List struct {
	Version  uint32
	Declared uint32 // entries, by the header
	Pinned   uint32 // pinned entries, by the header
	LastID   uint32 // number of the newest entry
	Actions  uint32 // counts what was done to the list (presumably)
	Entries  []Entry
	Damage   []error
}

// Entry is one destination, most recently used first.
type Entry struct {
	Offset      int64
	Length      int64
	Checksum    uint64 // presumably; not checked
	Volume      GUID   // droids of link tracking
	File        GUID
	BirthVolume GUID
	BirthFile   GUID
	Host        string // NetBIOS name of the machine
	HostRaw     []byte
	ID          uint32 // the link lies in the stream of this number, in hex
	Modified    uint64 // FILETIME at which the destination was last used through this list
	Pin         int32  // place among the pinned ones, -1 is not pinned
	Count       uint32 // times used, from version 2 on; not documented
	Path        string
}

// ErrVersion is in the chain of the error for a version that is not known.
var ErrVersion = errors.New("DestList version not known")

const (
	headerSize = 32
	maxEntries = 1 << 16
)

// Parse reads a DestList stream. An empty one, which empty jump lists have, is
// an empty list.
func Parse(b []byte) (*List, error) {
	if len(b) == 0 {
		return &List{}, nil
	}
	c := cursor.New(b)
	l := &List{Version: c.U32("version"), Declared: c.U32("number of entries"), Pinned: c.U32("number of pinned entries")}
	c.Skip(4, "header")
	l.LastID = c.U32("last entry number")
	c.Skip(4, "header")
	l.Actions = c.U32("number of actions")
	c.Skip(4, "header")
	if c.Err() != nil {
		return nil, c.Err()
	}
	if l.Version < 1 || l.Version > 4 {
		return nil, errors.Join(cursor.Errorf(0, "version %d", l.Version), ErrVersion)
	}
	for uint32(len(l.Entries)) < l.Declared {
		if len(l.Entries) == maxEntries {
			c.Fail("more than %d entries", maxEntries)
			break
		}
		e := entry(c, l.Version)
		if c.Err() != nil {
			break
		}
		l.Entries = append(l.Entries, e)
	}
	if c.Err() != nil {
		l.Damage = append(l.Damage, c.Err())
	} else if c.Left() > 0 {
		l.Damage = append(l.Damage, cursor.Errorf(c.Pos(), "%d bytes behind the %d entries that the header declares", c.Left(), l.Declared))
	}
	return l, nil
}

func entry(c *cursor.Cursor, version uint32) Entry {
	e := Entry{Offset: c.Pos(), Checksum: c.U64("entry")}
	e.Volume, e.File = droid(c), droid(c)
	e.BirthVolume, e.BirthFile = droid(c), droid(c)
	e.HostRaw = c.Take(16, "host")
	e.Host = text(e.HostRaw)
	e.ID = c.U32("entry number")
	c.Skip(8, "entry")
	e.Modified = c.U64("last used")
	e.Pin = int32(c.U32("pin status"))
	if version > 1 {
		c.Skip(4, "entry")
		e.Count = c.U32("count")
		c.Skip(8, "entry")
	}
	e.Path = utf16.String(c.Take(2*int(c.U16("path size")), "path"))
	if version > 1 {
		c.Skip(4, "end of entry")
	}
	e.Length = c.Pos() - e.Offset
	return e
}

func droid(c *cursor.Cursor) GUID { return guid.From(c.Take(16, "droid")) }

// text decodes a string of the code page that ends with zero.
func text(b []byte) string {
	for i, ch := range b {
		if ch == 0 {
			b = b[:i]
			break
		}
	}
	return codepage.Decode(b, codepage.Presume)
}
