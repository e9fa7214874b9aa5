// Package shellitem reads item identifier lists that stand alone, as in the
// values of shellbags, recent documents and open-save lists. Shell links give
// theirs decoded; what is read and what not is said in the package below.
package shellitem

import "kanshiki/parsers/internal/shellitem"

// Item is one step of a path of the shell.
type Item = shellitem.Item

// The kinds of items.
const (
	Root         = shellitem.Root
	Volume       = shellitem.Volume
	File         = shellitem.File
	Network      = shellitem.Network
	Address      = shellitem.Address
	ControlPanel = shellitem.ControlPanel
	KnownFolder  = shellitem.KnownFolder
	Device       = shellitem.Device
	Member       = shellitem.Member
	Delegate     = shellitem.Delegate
	Unknown      = shellitem.Unknown
)

// Parse reads a list up to the empty item that ends it. page is the code page
// of its short names; 0 presumes. Items read before an error come with it; n
// is the length of the list with its end.
func Parse(b []byte, page int) (items []Item, n int, err error) {
	return shellitem.Parse(b, 0, page)
}

// Path joins the names as the shell shows them.
func Path(items []Item) string { return shellitem.Path(items) }

// FilePath is the part that a file system knows, or "".
func FilePath(items []Item) string { return shellitem.FilePath(items) }
