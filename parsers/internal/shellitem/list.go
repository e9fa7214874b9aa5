package shellitem

import (
	"strings"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
)

// Kind is what an item stands for.
type Kind string

const (
	Root         Kind = "root folder"
	Volume       Kind = "volume"
	File         Kind = "file entry"
	Network      Kind = "network location"
	Address      Kind = "address"
	ControlPanel Kind = "control panel"
	KnownFolder  Kind = "known folder"
	Device       Kind = "portable device"
	Member       Kind = "archive member"
	Delegate     Kind = "delegate"
	Unknown      Kind = "unknown"
)

// Item is one step of a path.
type Item struct {
	Offset int64 // in the source
	Class  uint8
	Kind   Kind

	Name  string // long name where there is one, else the short or only one
	Short Text   // primary name of a file entry: the 8.3 name where Name is another
	GUID  guid.GUID

	Size       uint32 // of a file entry, its lower 32 bits
	Attributes uint16
	Modified   uint64 // FILETIME ticks, 2 s steps; of the target, when the list was made
	Created    uint64
	Accessed   uint64
	Ref        uint64 // file reference: entry in the lower 48 bits, sequence above; 0 is not set
	Localized  string // resource that gives the shown name

	Extensions []Extension
	Raw        []byte // the whole item
}

// Text is text stored in a code page.
type Text struct {
	Text string
	Raw  []byte // nil where it was stored as UTF-16
}

// Extension is an extension block; those that are decoded are in the item.
type Extension struct {
	Offset    int // in the item
	Version   uint16
	Signature uint32
	Data      []byte // after the signature
}

// MaxItems bounds a list. A path of the shell is as deep as its folders.
const MaxItems = 1024

// Parse reads a list up to the empty item that ends it, or the end of b. base
// is the offset of b in its source, page the code page of its text (see
// codepage). Items read before an error are returned with it; n is the length
// of the list with its end.
func Parse(b []byte, base int64, page int) (items []Item, n int, err error) {
	c := cursor.At(b, base)
	for {
		at := c.Off()
		size := int(c.U16("size of shell item"))
		if c.Err() != nil || size == 0 {
			return items, c.Off(), c.Err()
		}
		if size < 3 {
			return items, c.Off(), cursor.Errorf(base+int64(at), "shell item of %d bytes", size)
		}
		if len(items) == MaxItems {
			return items, at, cursor.Errorf(base+int64(at), "more than %d shell items", MaxItems)
		}
		c.Seek(at, "shell item")
		raw := c.Take(size, "shell item")
		if raw == nil {
			return items, at, c.Err()
		}
		items = append(items, One(raw, base+int64(at), page))
	}
}

// Path joins the names of the items the way the shell shows them: a volume
// keeps its own separator, an item without a name gives its identifier.
func Path(items []Item) string {
	var b strings.Builder
	for _, it := range items {
		name := it.Name
		if name == "" && !it.GUID.Zero() {
			name = "::{" + it.GUID.String() + "}"
		}
		if name == "" {
			name = "?"
		}
		if it.Kind == Network && b.Len() > 0 && strings.HasPrefix(name, `\\`) {
			b.Reset() // each network item holds the whole path so far
		}
		if b.Len() > 0 && !strings.HasSuffix(b.String(), `\`) {
			b.WriteByte('\\')
		}
		b.WriteString(name)
	}
	return b.String()
}

// FilePath is the part of the path that a file system knows: from the last
// volume or network location on, "" where there is none.
func FilePath(items []Item) string {
	from := -1
	for i, it := range items {
		if it.Kind == Volume && len(it.Name) > 1 && it.Name[1] == ':' || it.Kind == Network {
			from = i
		}
	}
	if from < 0 {
		return ""
	}
	for i, it := range items[from:] {
		if it.Kind != Volume && it.Kind != Network && it.Kind != File {
			return Path(items[from : from+i])
		}
	}
	return Path(items[from:])
}
