package lnk

import (
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/propstore"
	"kanshiki/parsers/internal/shellitem"
	"kanshiki/parsers/internal/utf16"
)

// Signatures of extra data blocks, [MS-SHLLINK] 2.5.
const (
	sigEnvironment = 0xA0000001
	sigConsole     = 0xA0000002
	sigTracker     = 0xA0000003
	sigConsolePage = 0xA0000004
	sigSpecial     = 0xA0000005
	sigDarwin      = 0xA0000006
	sigIcon        = 0xA0000007
	sigShim        = 0xA0000008
	sigProperties  = 0xA0000009
	sigKnown       = 0xA000000B
	sigVistaItems  = 0xA000000C
)

// maxBlocks bounds the extra data; the specification knows eleven kinds, each
// at most once.
const maxBlocks = 256

// extra reads blocks up to the one that ends them (a size below four). A link
// without that end is reported: blocks may have been cut off with it.
func (d *decoder) extra() {
	for d.c.Err() == nil {
		at := d.c.Pos()
		if d.c.Left() == 0 {
			d.c.Fail("extra data does not end with an empty block")
			return
		}
		size := int64(d.c.U32("size of extra block"))
		if size < 4 {
			return
		}
		if len(d.Blocks) == maxBlocks || size < 8 {
			d.c.Fail("extra block %d of %d bytes", len(d.Blocks), size)
			return
		}
		sig := d.c.U32("signature of extra block")
		data := d.c.Take(int(min(size-8, MaxSize)), "extra block")
		if data == nil && size > 8 {
			return
		}
		d.Blocks = append(d.Blocks, Block{at, sig, data})
		d.damage(d.block(sig, data, at+8))
	}
}

func (d *decoder) block(sig uint32, b []byte, base int64) error {
	c := cursor.At(b, base)
	switch sig {
	case sigEnvironment:
		d.Environment = d.both(c, "environment path")
	case sigIcon:
		d.Icon = d.both(c, "icon path")
	case sigDarwin:
		d.Darwin = d.both(c, "installer identifier")
	case sigConsolePage:
		d.ConsolePage = c.U32("code page")
	case sigShim:
		d.ShimLayer = utf16.CString(b)
	case sigSpecial:
		d.Special = &Folder{c.U32("special folder"), c.U32("offset")}
	case sigKnown:
		d.Known = &KnownFolder{guid.From(c.Take(16, "known folder")), c.U32("offset")}
	case sigTracker:
		c.Skip(8, "size and version of tracker")
		d.Tracker = &Tracker{
			Machine: d.text(c.Take(16, "machine")), Volume: d.droid(c), File: d.droid(c),
			BirthVolume: d.droid(c), BirthFile: d.droid(c),
		}
	case sigProperties:
		props, err := propstore.Parse(b, base)
		d.Properties = props
		return err
	case sigVistaItems:
		items, _, err := shellitem.Parse(b, base, d.page)
		d.VistaItems = items
		return err
	}
	return c.Err()
}

func (d *decoder) droid(c *cursor.Cursor) GUID { return guid.From(c.Take(16, "droid")) }

// both reads a path that is stored twice: 260 bytes of the code page, 260
// characters of UTF-16. The second is empty in links of old programs.
func (d *decoder) both(c *cursor.Cursor, what string) string {
	ansi := d.text(c.Take(260, what))
	if s := utf16.CString(c.Take(520, what)); s != "" {
		return s
	}
	return ansi.Text
}
