package fve

import (
	"cmp"
	"io"
	"slices"
	"sort"

	"kanshiki/parsers/internal/cursor"
)

type span struct{ from, to int64 }

// reserve lists what reads as zeros: the metadata, the place of the first
// sectors, and what encrypt-on-write needs.
func (v *Volume) reserve() {
	add := func(off, n int64) {
		if off > 0 && n > 0 && off < v.size {
			ss := v.boot.sector
			v.reserved = append(v.reserved, span{off / ss * ss, (off + min(n, v.size-off) + ss - 1) / ss * ss})
		}
	}
	info := int64(0x10000)
	if v.Version == 1 {
		info = (v.boot.cluster + 0x3FFF) &^ (v.boot.cluster - 1)
	}
	for _, off := range v.Metadata {
		add(off, info)
	}
	for _, off := range v.places { // a copy that cannot be read is one all the same
		add(off, info)
	}
	if v.Version >= 2 {
		add(v.headerOff, v.headerLen)
	}
	if e := v.eow; e != nil {
		for _, off := range e.copies {
			add(off, e.size)
		}
		for _, r := range e.regions {
			add(r.at, r.size)
			add(r.logAt, e.logSize)
		}
	}
	slices.SortFunc(v.reserved, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	var out []span
	for _, s := range v.reserved {
		if k := len(out) - 1; k >= 0 && s.from <= out[k].to {
			out[k].to = max(out[k].to, s.to)
			continue
		}
		out = append(out, s)
	}
	v.reserved = out
}

// Reader gives the volume as the file system on it sees it. It may be used by
// several goroutines at once.
type Reader struct{ v *Volume }

// Reader needs a key, unless the volume is decrypted.
func (v *Volume) Reader() (*Reader, error) {
	if v.cipher == nil && v.State != Decrypted {
		return nil, ErrLocked
	}
	return &Reader{v}, nil
}

// Size is that of the medium.
func (r *Reader) Size() int64 { return r.v.size }

// how bytes are got.
type how uint8

const (
	plain how = iota
	encrypted
	zeros
	doubtful // no bitmap says, or the block was in work when it was cut off
)

// resolve tells how n bytes at off, or the first of them, are got, and from
// where on the medium.
func (v *Volume) resolve(off, n int64) (h how, at, length int64) {
	switch {
	case v.Version == 1 && off < 0x2000:
		return plain, off, min(n, 0x2000-off)
	case off < v.headerLen:
		return v.state(v.headerOff+off, min(n, v.headerLen-off))
	}
	i := sort.Search(len(v.reserved), func(i int) bool { return v.reserved[i].to > off })
	if i < len(v.reserved) {
		s := v.reserved[i]
		if s.from <= off {
			return zeros, off, min(n, s.to-off)
		}
		n = min(n, s.from-off)
	}
	return v.state(off, n)
}

// state tells whether what lies at a place of the medium is encrypted.
// Conversion goes from the front: what lies behind Converted is not.
func (v *Volume) state(at, n int64) (how, int64, int64) {
	switch {
	case v.State == Decrypted:
		return plain, at, n
	case v.EOW:
		if v.eow == nil {
			return doubtful, at, n
		}
		enc, known, n := v.eow.state(at, n)
		switch {
		case !known:
			return doubtful, at, n
		case enc:
			return encrypted, at, n
		}
		return plain, at, n
	case v.Converted == 0 || at < v.Converted:
		if v.Converted > 0 {
			n = min(n, v.Converted-at)
		}
		return encrypted, at, n
	case v.State == SwitchingDirty && at < v.Converted+v.dirty:
		return doubtful, at, min(n, v.Converted+v.dirty-at)
	}
	return plain, at, n
}

// ReadAt decrypts. It stops at the first byte that cannot be read, with a
// *Problem.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	v := r.v
	if off < 0 {
		return 0, cursor.Errorf(off, "negative offset")
	}
	if off >= v.size {
		return 0, io.EOF
	}
	var end error
	if rest := v.size - off; int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	ss := v.boot.sector
	var one []byte // a sector of which a part is wanted
	done := 0
	for done < len(p) {
		at := off + int64(done)
		q := p[done:]
		if at%ss != 0 || int64(len(q)) < ss {
			if one == nil {
				one = make([]byte, ss)
			}
			first := at - at%ss
			n, err := r.sectors(one[:min(ss, v.size-first)], first)
			if int64(n) <= at-first {
				return done, err
			}
			done += copy(q, one[at-first:n])
			if err != nil && int64(n) < at-first+int64(len(q)) && int64(n) < ss {
				return done, err
			}
			continue
		}
		n, err := r.sectors(q[:int64(len(q))/ss*ss], at)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, end
}

// sectors reads and decrypts whole sectors.
func (r *Reader) sectors(p []byte, off int64) (int, error) {
	v := r.v
	done := 0
	for done < len(p) {
		h, at, n := v.resolve(off+int64(done), int64(len(p)-done))
		q := p[done : done+int(n)]
		switch h {
		case zeros:
			clear(q)
			done += len(q)
			continue
		case doubtful:
			return done, &Problem{Off: at, What: "whether these sectors are encrypted is not known"}
		}
		k, err := v.read(q, at)
		if h == encrypted {
			rest := k % int(v.boot.sector)
			k -= rest
			v.cipher.decrypt(q[:k], at)
			if rest > 0 && err == nil {
				err = &Problem{Off: at + int64(k), What: "a part of a sector cannot be decrypted", Err: io.ErrUnexpectedEOF}
			}
		} else if v.Version == 1 && at == 0 && k >= 64 {
			v.vistaHead(q)
		}
		done += k
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// vistaHead puts back what BitLocker of Vista changed in the boot sector.
func (v *Volume) vistaHead(b []byte) {
	copy(b[3:], "NTFS    ")
	for i := range 8 {
		b[0x38+i] = byte(v.mirror >> (8 * i))
	}
}

func (v *Volume) read(q []byte, at int64) (int, error) {
	if at < 0 || at >= v.size {
		return 0, &Problem{Off: at, What: "outside the medium", Err: io.ErrUnexpectedEOF}
	}
	n, err := v.r.ReadAt(q[:min(int64(len(q)), v.size-at)], at)
	if n == len(q) && (err == nil || err == io.EOF) {
		return n, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, &Problem{Off: at + int64(n), What: "cannot be read", Err: err}
}
