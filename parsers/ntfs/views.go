package ntfs

import (
	"encoding/binary"
	"iter"

	"kanshiki/parsers/internal/cursor"
)

// View indexes hold what is not a name: the object ids, reparse points, quotas
// and security descriptors of the volume. Their entries have a key and data.

// viewEntry is one entry of a view index.
type viewEntry struct {
	key, data []byte
	off       int64 // on the volume
}

// view yields the live entries of a view index of a metadata file.
func (f File) view(name string) iter.Seq2[viewEntry, error] {
	return func(yield func(viewEntry, error) bool) {
		x, ok := f.openIndex(name)
		if !ok {
			return
		}
		for n, d := range x.nodes() {
			if d != nil && !yield(viewEntry{}, d) {
				return
			}
			if n.b == nil || n.free {
				continue
			}
			more := true
			at, whole := n.entries(func(raw rawEntry) bool {
				e := viewEntry{key: raw.key, off: n.disk(raw.at)}
				from, size := int(binary.LittleEndian.Uint16(raw.b)), int(binary.LittleEndian.Uint16(raw.b[2:]))
				if size > 0 && from >= entryHead && from+size <= len(raw.b) {
					e.data = raw.b[from : from+size : from+size]
				}
				more = yield(e, nil)
				return more
			})
			if !more || !whole && !yield(viewEntry{}, &Damage{Kind: BadIndex, Record: uint64(f.n), Attr: AttrIndexAllocation, Off: n.disk(at), Got: uint64(at), Want: uint64(n.end)}) {
				return
			}
		}
	}
}

// metafile finds a live metadata file in $Extend.
func (c *Catalog) metafile(name string) (File, bool) {
	dir, ok := c.File(extendRecord)
	if !ok {
		return File{}, false
	}
	for l, kid := range dir.Children() {
		if asciiEqual(l.Name(), name) && kid.InUse() {
			return kid, true
		}
	}
	return File{}, false
}

// ObjectIDEntry is an entry of $ObjId:$O: an object id of the volume and the
// file that has it.
type ObjectIDEntry struct {
	ObjectID
	Ref Ref
	Off int64
}

// ObjectIDs yields the object ids of the volume.
func (c *Catalog) ObjectIDs() iter.Seq2[ObjectIDEntry, error] {
	return typedView(c, "$ObjId", "$O", func(v viewEntry) (ObjectIDEntry, error) {
		e := ObjectIDEntry{Off: v.off}
		k, d := cursor.At(v.key, v.off), cursor.At(v.data, v.off)
		copy(e.ID[:], k.Take(16, "object id"))
		e.Ref = Ref(d.U64("reference"))
		copy(e.BirthVolume[:], d.Take(16, "birth volume id"))
		copy(e.BirthObject[:], d.Take(16, "birth object id"))
		copy(e.Domain[:], d.Take(16, "domain id"))
		e.Birth = true
		return e, firstError(k.Err(), d.Err())
	})
}

// ReparseEntry is an entry of $Reparse:$R: a file with a reparse point.
type ReparseEntry struct {
	Tag uint32
	Ref Ref
	Off int64
}

// ReparsePoints yields the files with a reparse point, without a walk.
func (c *Catalog) ReparsePoints() iter.Seq2[ReparseEntry, error] {
	return typedView(c, "$Reparse", "$R", func(v viewEntry) (ReparseEntry, error) {
		k := cursor.At(v.key, v.off)
		e := ReparseEntry{Tag: k.U32("tag"), Ref: Ref(k.U64("reference")), Off: v.off}
		return e, k.Err()
	})
}

// QuotaEntry is an entry of $Quota:$Q: an owner of files, who may be gone from
// the machine's accounts.
type QuotaEntry struct {
	ID        uint32 // owner id in $STANDARD_INFORMATION; 1 is the default for all
	Version   uint32
	Flags     uint32
	Used      uint64 // bytes
	Changed   uint64 // FILETIME
	Threshold uint64
	Limit     uint64
	SID       []byte
	Off       int64
}

// Quotas yields the owners that the volume counts bytes for.
func (c *Catalog) Quotas() iter.Seq2[QuotaEntry, error] {
	return typedView(c, "$Quota", "$Q", func(v viewEntry) (QuotaEntry, error) {
		k, d := cursor.At(v.key, v.off), cursor.At(v.data, v.off)
		e := QuotaEntry{ID: k.U32("owner id"), Off: v.off}
		e.Version, e.Flags = d.U32("version"), d.U32("flags")
		e.Used, e.Changed = d.U64("bytes used"), d.U64("change time")
		e.Threshold, e.Limit = d.U64("warning threshold"), d.U64("limit")
		d.Skip(8, "exceeded time")
		e.SID = d.Take(d.Left(), "SID")
		return e, firstError(k.Err(), d.Err())
	})
}

func typedView[T any](c *Catalog, file, name string, decode func(viewEntry) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		f, ok := c.metafile(file)
		if !ok {
			return
		}
		for v, err := range f.view(name) {
			var e T
			if err == nil {
				e, err = decode(v)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
