package regf

import (
	"errors"
	"iter"
	"strings"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// Flags of a key.
const (
	KeyVolatile  = 0x0001
	KeyHiveExit  = 0x0002
	KeyHiveEntry = 0x0004 // root of its hive
	KeyNoDelete  = 0x0008
	KeySymLink   = 0x0010
	KeyCompName  = 0x0020 // name of one byte a character
)

// maxDepth is the number of levels that Windows allows below a root
// ("Registry Element Size Limits").
const maxDepth = 512

// ErrNoKey and ErrNoValue tell that all was read and the name is not there.
var (
	ErrNoKey   = errors.New("no such key")
	ErrNoValue = errors.New("no such value")
)

// Key is a registry key.
type Key struct {
	Name        string
	LastWritten uint64 // FILETIME
	Flags       uint16
	Access      uint32 // Windows 8 and later: who read or wrote since boot; "spare" before
	SubkeyCount uint32 // as declared; volatile keys are not counted
	ValueCount  uint32 // as declared
	Offset      int64  // of its cell in the file
	Cell        uint32 // the same, from the start of the bins
	ParentCell  uint32 // as the key itself says
	Security    uint32 // cell of its security descriptor
	Allocated   bool   // its cell is marked as in use

	subkeys, values, class uint32
	classLen               uint16
	h                      *Hive
	parent                 *Key
	path                   string
	walk                   *walk
}

// walk is shared by the keys of one traversal, so that a hive whose lists
// point at each other ends: it holds no more elements than it has room for.
type walk struct {
	seen []uint64 // a bit for every 8 bytes of bins: this key was visited
	left int      // elements of lists that may still be read
}

func (h *Hive) newWalk() *walk {
	return &walk{seen: make([]uint64, len(h.bins)/512+1), left: len(h.bins)}
}

// visit marks a cell and tells whether it is new. A place outside the bins is
// always new: reading it tells what is wrong.
func (w *walk) visit(off uint32) bool {
	i, bit := off/512, uint64(1)<<(off/8%64)
	if int64(i) >= int64(len(w.seen)) {
		return true
	}
	if w.seen[i]&bit != 0 {
		return false
	}
	w.seen[i] |= bit
	return true
}

// Root is the root key.
func (h *Hive) Root() (*Key, error) { return h.key(h.Base.Root, nil, &walk{left: len(h.bins)}) }

// key reads the key node in the cell at off.
func (h *Hive) key(off uint32, parent *Key, w *walk) (*Key, error) {
	b, used, err := h.cell(off, "key")
	if err != nil {
		return nil, err
	}
	k, err := h.parseKey(b, off)
	if err != nil {
		return nil, err
	}
	k.Allocated, k.parent, k.walk = used, parent, w
	return k, nil
}

func (h *Hive) parseKey(b []byte, off uint32) (*Key, error) {
	c := cursor.At(b, h.place(off))
	if sig := c.Take(2, "key"); c.Err() == nil && string(sig) != "nk" {
		return nil, cursor.Errorf(h.place(off), "key: signature nk expected, found %q", sig)
	}
	k := &Key{
		h: h, Cell: off, Offset: int64(off) + BaseSize,
		Flags:       c.U16("flags of a key"),
		LastWritten: c.U64("last written"),
		Access:      c.U32("access bits"),
		ParentCell:  c.U32("parent"),
		SubkeyCount: c.U32("number of subkeys"),
	}
	c.Skip(4, "number of volatile subkeys")
	k.subkeys = c.U32("subkeys list")
	c.Skip(4, "volatile subkeys list")
	k.ValueCount = c.U32("number of values")
	k.values = c.U32("values list")
	k.Security = c.U32("security")
	k.class = c.U32("class name")
	c.Skip(20, "largest lengths")
	n := c.U16("length of a key's name")
	k.classLen = c.U16("length of a class name")
	name := c.Take(int(n), "name of a key")
	if c.Err() != nil {
		return nil, c.Err()
	}
	k.Name = text(name, k.Flags&KeyCompName != 0)
	return k, nil
}

// text decodes a name: Latin-1 where it is stored with one byte a character.
func text(b []byte, latin bool) string {
	if !latin {
		return utf16.String(b)
	}
	for i, x := range b {
		if x >= 0x80 {
			out := append(make([]byte, 0, len(b)+8), b[:i]...)
			for _, y := range b[i:] {
				if y < 0x80 {
					out = append(out, y)
				} else {
					out = append(out, 0xC0|y>>6, 0x80|y&63)
				}
			}
			return string(out)
		}
	}
	return string(b)
}

// Parent is the key through which this one was reached; nil for a root, and
// for a recovered key whose parent is not known.
func (k *Key) Parent() *Key { return k.parent }

// Path is the way from the root, names parted by a backslash, without the
// root's own name. The root's path is empty.
func (k *Key) Path() string {
	if k.path == "" && k.parent != nil {
		if up := k.parent.Path(); up != "" {
			k.path = up + `\` + k.Name
		} else {
			k.path = k.Name
		}
	}
	return k.path
}

// Class is the class name, empty where there is none.
func (k *Key) Class() (string, error) {
	if k.classLen == 0 || k.class == none {
		return "", nil
	}
	b, _, err := k.h.cell(k.class, "class name")
	if err != nil {
		return "", err
	}
	c := cursor.At(b, k.h.place(k.class))
	return utf16.String(c.Take(int(k.classLen), "class name")), c.Err()
}

// Descriptor is the security descriptor, self-relative as [MS-DTYP] 2.4.6 has it.
func (k *Key) Descriptor() ([]byte, error) {
	b, _, err := k.h.cell(k.Security, "security")
	if err != nil {
		return nil, err
	}
	c := cursor.At(b, k.h.place(k.Security))
	if sig := c.Take(2, "security"); c.Err() == nil && string(sig) != "sk" {
		return nil, cursor.Errorf(k.h.place(k.Security), "security: signature sk expected, found %q", sig)
	}
	c.Skip(14, "links of a security cell")
	n := c.U32("length of a descriptor")
	return c.Take(int(n), "descriptor"), c.Err()
}

// Subkeys yields the keys below this one, in the order of its lists. An error
// belongs to one key or one list.
func (k *Key) Subkeys() iter.Seq2[*Key, error] {
	return func(yield func(*Key, error) bool) {
		k.children(func(off uint32, err error) bool {
			if err != nil {
				return yield(nil, err)
			}
			return yield(k.h.key(off, k, k.walk))
		})
	}
}

// children yields the cells of the subkeys, and one error where lists that
// could all be read hold another number than the key says.
func (k *Key) children(yield func(uint32, error) bool) {
	if k.SubkeyCount == 0 {
		return
	}
	n, whole := uint32(0), true
	all := k.list(k.subkeys, true, func(off uint32, err error) bool {
		n++
		whole = whole && err == nil
		return yield(off, err)
	})
	if all && whole && n != k.SubkeyCount {
		yield(0, cursor.Errorf(k.Offset, "key %s: %d subkeys declared, %d in its lists", k.Name, k.SubkeyCount, n))
	}
}

// list reads one list of subkeys. An index root leads to leaves only ("Index
// root" note 1), which also ends loops.
func (k *Key) list(off uint32, root bool, yield func(uint32, error) bool) bool {
	b, _, err := k.h.cell(off, "list of subkeys")
	if err != nil {
		return yield(0, err)
	}
	c := cursor.At(b, k.h.place(off))
	sig, n, step := c.Take(2, "list of subkeys"), int(c.U16("number of elements")), 4
	if c.Err() != nil {
		return yield(0, c.Err())
	}
	switch string(sig) {
	case "lf", "lh":
		step = 8
	case "li":
	case "ri":
		if root {
			break
		}
		return yield(0, cursor.Errorf(k.h.place(off), "list of subkeys: an index root inside an index root"))
	default:
		return yield(0, cursor.Errorf(k.h.place(off), "list of subkeys: signature li, lf, lh or ri expected, found %q", sig))
	}
	for range n {
		at := c.Pos()
		element := c.U32("element of a list of subkeys")
		c.Skip(step-4, "hint of a list of subkeys")
		if c.Err() != nil {
			return yield(0, c.Err())
		}
		if k.walk.left--; k.walk.left < 0 {
			if k.walk.left == -1 {
				return yield(0, cursor.Errorf(at, "lists of subkeys: more elements than the hive has room for"))
			}
			return false
		}
		if string(sig) == "ri" {
			if !k.list(element, false, yield) {
				return false
			}
		} else if !yield(element, nil) {
			return false
		}
	}
	return true
}

// Subkey is the key of that name below this one, whatever its case.
func (k *Key) Subkey(name string) (*Key, error) {
	var first error
	for sub, err := range k.Subkeys() {
		switch {
		case err != nil && first == nil:
			first = err
		case err == nil && strings.EqualFold(sub.Name, name):
			return sub, nil
		}
	}
	if first != nil {
		return nil, first
	}
	return nil, ErrNoKey
}

// Lookup finds a key by its path from the root, whatever the case of its
// names. The error is ErrNoKey where everything on the way could be read.
func (h *Hive) Lookup(path string) (*Key, error) {
	k, err := h.Root()
	if err != nil {
		return nil, err
	}
	return k.Lookup(path)
}

// Lookup finds a key by its path below this one.
func (k *Key) Lookup(path string) (*Key, error) {
	// A budget of its own, so that many lookups do not starve each other.
	at := *k
	at.walk = &walk{left: len(k.h.bins)}
	k = &at
	for name := range strings.SplitSeq(path, `\`) {
		if name == "" {
			continue
		}
		sub, err := k.Subkey(name)
		if err != nil {
			return nil, err
		}
		k = sub
	}
	k.walk = &walk{left: len(k.h.bins)}
	return k, nil
}

// Keys yields every key that the root leads to, each once, parents before
// their children and in the order of the lists. An error belongs to one key
// or list, and what lies below it is then not yielded.
func (h *Hive) Keys() iter.Seq2[*Key, error] {
	return func(yield func(*Key, error) bool) {
		root, err := h.Root()
		if err != nil {
			yield(nil, err)
			return
		}
		root.Below()(yield)
	}
}

// Below yields this key and every key below it, as Keys does.
func (k *Key) Below() iter.Seq2[*Key, error] {
	return func(yield func(*Key, error) bool) {
		at := *k
		w := k.h.newWalk()
		at.walk = w
		type item struct {
			off    uint32
			depth  int
			parent *Key
			err    error
		}
		w.visit(at.Cell)
		stack := []item{}
		push := func(k *Key, depth int) {
			from := len(stack)
			k.children(func(off uint32, err error) bool {
				stack = append(stack, item{off, depth, k, err})
				return true
			})
			for i, j := from, len(stack)-1; i < j; i, j = i+1, j-1 {
				stack[i], stack[j] = stack[j], stack[i]
			}
		}
		if !yield(&at, nil) {
			return
		}
		push(&at, 1)
		for len(stack) > 0 {
			it := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if it.err == nil && !w.visit(it.off) {
				it.err = cursor.Errorf(int64(it.off)+BaseSize, "key: a list of %s leads to a key that was reached before", it.parent.Name)
			}
			if it.err == nil && it.depth > maxDepth {
				it.err = cursor.Errorf(int64(it.off)+BaseSize, "key: more than %d levels deep", maxDepth)
			}
			var sub *Key
			if it.err == nil {
				sub, it.err = k.h.key(it.off, it.parent, w)
			}
			if it.err != nil {
				if !yield(nil, it.err) {
					return
				}
				continue
			}
			if !yield(sub, nil) {
				return
			}
			if sub.Name == "" && !yield(nil, cursor.Errorf(sub.Offset, "key: it has no name, which no key but a root may lack")) {
				return
			}
			push(sub, it.depth+1)
		}
	}
}
