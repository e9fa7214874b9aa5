package ntfs

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

// scanBlock is what one read of the scan asks for.
const scanBlock = 1 << 20

// Scan reads the $MFT once, in order, and makes the catalogue. The error is
// that of ctx, or says that nothing could be read; damage is in the catalogue.
func (v *Volume) Scan(ctx context.Context) (*Catalog, error) {
	s := &scanner{c: &Catalog{v: v}}
	s.say = s.c.report
	for b := range v.readAhead {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.block(b)
	}
	if err := s.finish(ctx); err != nil {
		return nil, err
	}
	return s.c, nil
}

// finish brings together what belongs together once all records are decoded.
func (s *scanner) finish(ctx context.Context) error {
	s.flushUnread()
	s.join()
	if err := s.c.checkLists(ctx); err != nil {
		return err
	}
	if err := s.c.gatherMarks(ctx); err != nil {
		return err
	}
	slices.SortStableFunc(s.c.damage, func(a, b Damage) int { return cmp.Compare(a.Record, b.Record) })
	for _, d := range s.c.damage {
		if d.Record < uint64(s.c.entries.n) {
			s.c.entries.at(uint32(d.Record)).marks |= markDamage
		}
	}
	return nil
}

// put keeps an entry at its place: in order, or again.
func (s *scanner) put(num uint64, e entry) {
	if s.again {
		*s.c.entries.at(uint32(num)) = e
		return
	}
	s.c.entries.add(e)
}

type scanner struct {
	c       *Catalog
	say     func(Damage)
	runs    []Run
	unread  Damage // neighbours that cannot be read are one damage
	lastT   Times
	lastIdx uint32
	exts    []uint32 // extension records in order
	again   bool     // the catalogue has an entry for each record
}

// mftBlock is a piece of the $MFT; whole says that all of it could be read.
type mftBlock struct {
	b     []byte
	off   int64
	whole bool
}

// readAhead yields the $MFT in blocks, and reads one while the one before it is
// worked on. A block is good until the next step.
func (v *Volume) readAhead(yield func(mftBlock) bool) {
	free := make(chan []byte, 2)
	free <- make([]byte, scanBlock)
	free <- make([]byte, scanBlock)
	done := make(chan mftBlock)
	stop := make(chan struct{})
	var reader sync.WaitGroup
	defer reader.Wait()
	defer close(stop)
	reader.Go(func() {
		defer close(done)
		for off := int64(0); off < v.mftSize; off += scanBlock {
			var b mftBlock
			select {
			case buf := <-free:
				b = mftBlock{b: buf[:min(scanBlock, v.mftSize-off)], off: off}
			case <-stop:
				return
			}
			b.whole = v.readMFT(b.b, off) == nil
			select {
			case done <- b:
			case <-stop:
				return
			}
		}
	})
	for b := range done {
		if !yield(b) {
			return
		}
		free <- b.b[:scanBlock]
	}
}

// block decodes one block of whole records. If it could not be read at once,
// each record is tried by itself.
func (s *scanner) block(blk mftBlock) {
	v, rs := s.c.v, int64(s.c.v.geo.RecordSize)
	b, off, whole := blk.b, blk.off, blk.whole
	for p := int64(0); p+rs <= int64(len(b)); p += rs {
		rec := b[p : p+rs]
		num := uint64((off + p) / rs)
		s.c.perRec = 0
		if !whole {
			if err := v.readMFT(rec, off+p); err != nil {
				s.notRead(num, asDamage(err))
				continue
			}
		}
		s.record(rec, num, off+p)
	}
}

func (s *scanner) notRead(num uint64, d Damage) {
	s.put(num, entry{state: recUnread})
	rs := int64(s.c.v.geo.RecordSize)
	u := &s.unread
	if u.Len > 0 && u.Kind == d.Kind && u.Record+uint64(u.Len/rs) == num && (u.Off < 0) == (d.Off < 0) {
		u.Len += rs
		u.Want += uint64(rs)
		return
	}
	s.flushUnread()
	s.unread = d
	u.Record, u.Len, u.Want = num, rs, uint64(rs)
}

func (s *scanner) flushUnread() {
	if s.unread.Len > 0 {
		s.c.perRec = 0
		s.c.report(s.unread)
	}
	s.unread = Damage{}
}

func (s *scanner) record(b []byte, num uint64, off int64) {
	disk := s.c.v.mftDisk(off)
	if !isRecord(b) {
		e := entry{state: recBad}
		if binary.LittleEndian.Uint32(b) == 0 && allZero(b) {
			e.state = recZero
		} else {
			s.say(Damage{Kind: BadSignature, Record: num, Off: disk, Len: int64(len(b)), Got: uint64(binary.LittleEndian.Uint32(b))})
		}
		s.put(num, e)
		return
	}
	rec := decodeRecord(b, num, disk, s.say)
	e := entry{lsn: rec.LSN, base: rec.Base, seq: rec.Seq, flags: rec.Flags, hardLinks: rec.Links,
		links: s.c.links.n, attrs: s.c.attrs.n}
	n := 0
	var a Attr
	for pos := rec.first(); rec.next(&pos, &a, s.say); n++ {
		s.attribute(&rec, &a, &e)
	}
	const reserved = 24 // mkntfs gives these times and no name
	switch {
	case rec.Base != 0 && rec.Base.Record() != num:
		e.state = recExtension
		s.exts = append(s.exts, uint32(num))
	case rec.InUse():
		e.state = recLive
	case (n == 0 || num < reserved && e.nlinks == 0) && !rec.damaged:
		e.state = recBlank
	default:
		e.state = recDeleted
	}
	if rec.HasNum && uint64(rec.Number) != num&0xFFFFFFFF && e.state != recBlank {
		s.say(Damage{Kind: RecordNumber, Record: num, Off: disk, Got: uint64(rec.Number), Want: num})
	}
	if rec.damaged {
		e.marks |= markDamage
	}
	s.put(num, e)
}

func (s *scanner) attribute(rec *Record, a *Attr, e *entry) {
	switch a.Type {
	case AttrStandardInformation:
		s.standardInformation(rec, a, e)
	case AttrFileName:
		s.fileName(rec, a, e)
	case AttrAttributeList:
		e.marks |= markList
	case AttrReparsePoint:
		if !a.NonResident && len(a.Value) >= 4 {
			e.reparse = binary.LittleEndian.Uint32(a.Value)
		} else {
			e.marks |= markNotRead
		}
	case AttrIndexRoot:
		if rec.InUse() && asciiEqual(a.Name, "$I30") && (len(a.Value) < 16 || !(&node{b: a.Value[16:], off: -1}).good()) {
			s.say(Damage{Kind: BadIndex, Record: rec.Num, Attr: a.Type, Off: offAdd(rec.Off, a.Off), Got: uint64(len(a.Value))})
		}
	case AttrObjectID:
		e.marks |= markObject
	case AttrEA:
		e.marks |= markEA
	}
	if a.Type == AttrData || a.NonResident {
		s.stream(rec, a, e)
	}
}

func (s *scanner) standardInformation(rec *Record, a *Attr, e *entry) {
	if a.NonResident || len(a.Value) < 48 {
		s.say(Damage{Kind: BadValue, Record: rec.Num, Attr: a.Type, Off: offAdd(rec.Off, a.Off), Got: uint64(len(a.Value)), Want: 48})
		return
	}
	e.times = s.addTimes(parseTimes(a.Value))
	e.fileAttrs = binary.LittleEndian.Uint32(a.Value[32:])
	e.marks |= markSI
	if len(a.Value) >= 72 { // since NTFS 3.0
		e.owner = binary.LittleEndian.Uint32(a.Value[48:])
		e.security = binary.LittleEndian.Uint32(a.Value[52:])
		e.usn = binary.LittleEndian.Uint64(a.Value[64:])
	}
}

// addTimes keeps equal neighbours once: a DOS name has the times of its twin.
func (s *scanner) addTimes(t Times) uint32 {
	if s.c.times.n > 0 && t == s.lastT {
		return s.lastIdx
	}
	s.lastT, s.lastIdx = t, s.c.times.add(t)
	return s.lastIdx
}

func (s *scanner) fileName(rec *Record, a *Attr, e *entry) {
	fn, ok := parseFileName(a.Value)
	if !ok || a.NonResident {
		s.say(Damage{Kind: BadName, Record: rec.Num, Attr: a.Type, Off: offAdd(rec.Off, a.Off), Got: uint64(len(a.Value)), Want: fileNameHead})
		if len(fn.name) == 0 {
			return
		}
	}
	l := link{parent: fn.parent, flags: fn.flags, space: fn.namespace, id: a.ID, len: uint8(len(fn.name) / 2)}
	if l.name, ok = s.c.names.add(fn.name); !ok {
		s.say(Damage{Kind: TooLong, Record: rec.Num, Attr: a.Type, Off: offAdd(rec.Off, a.Off)})
		return
	}
	l.times = s.addTimes(fn.times)
	s.c.links.add(l)
	e.nlinks++
}

func (s *scanner) stream(rec *Record, a *Attr, e *entry) {
	at := attr{typ: a.Type, id: a.ID, flags: a.Flags, off: uint16(a.Off / 8), nonRes: a.NonResident,
		size: a.Size, init: a.Size, allocated: a.Allocated, nameLen: uint8(len(a.Name) / 2)}
	var ok bool
	if at.name, ok = s.c.names.add(a.Name); !ok {
		s.say(Damage{Kind: TooLong, Record: rec.Num, Attr: a.Type, Off: offAdd(rec.Off, a.Off)})
		return
	}
	if a.NonResident {
		at.init, at.unit, at.low = a.Initialized, a.Unit, a.LowVCN
		var dmg *Damage
		s.runs, dmg = decodeRuns(s.runs[:0], a.RunList, a.LowVCN, a.HighVCN, a.clusters(s.c.v.geo.ClusterSize), s.c.v.clusters)
		if dmg != nil {
			dmg.Record, dmg.Attr, dmg.Off = rec.Num, a.Type, offAdd(rec.Off, a.Off)
			s.say(*dmg)
			at.runsBad = dmg.Kind != RunsBeyond
		}
		if at.runs, ok = s.c.runs.add(s.runs); !ok {
			s.say(Damage{Kind: TooLong, Record: rec.Num, Attr: a.Type, Off: offAdd(rec.Off, a.Off)})
			return
		}
		at.nruns = uint32(len(s.runs))
		if a.LowVCN == 0 && e.marks&markList == 0 && rec.Base == 0 && !at.runsBad {
			s.checkSize(rec, a)
		}
		if a.LowVCN != 0 {
			e.marks |= markPieces
		}
	}
	s.c.attrs.add(at)
	e.nattrs++
}

// checkSize tells when the data size goes beyond the clusters of a stream that
// lies in one record.
func (s *scanner) checkSize(rec *Record, a *Attr) {
	var clusters uint64 // decodeRuns keeps the sum below 1<<63
	for _, r := range s.runs {
		clusters += uint64(r.Len)
	}
	hi, described := bits.Mul64(clusters, uint64(s.c.v.geo.ClusterSize))
	if hi == 0 && a.Size > described {
		s.say(Damage{Kind: SizeBeyond, Record: rec.Num, Attr: a.Type, Off: offAdd(rec.Off, a.Off), Got: a.Size, Want: described})
	}
}

// join hangs each extension record on its base, in record order, so that no
// attribute list is needed to know all names and streams.
func (s *scanner) join() {
	c := s.c
	last := map[uint32]uint32{} // base -> index+1 of its last extension
	for _, n := range s.exts {
		x := c.entries.at(n)
		if !c.ownsExtension(x) {
			x.state = recLeftover
			c.perRec = 0
			// Records of deleted entries are reused one by one; only a
			// record in use should have its base.
			if x.flags&FlagInUse != 0 {
				c.report(Damage{Kind: LostBase, Record: uint64(n), Off: c.v.mftDisk(int64(n) * int64(c.v.geo.RecordSize)), Got: uint64(x.base)})
			}
			continue
		}
		c.hang(uint32(x.base.Record()), n, last)
	}
}

func (c *Catalog) hang(base, n uint32, last map[uint32]uint32) {
	c.exts = append(c.exts, extLink{record: n})
	at := uint32(len(c.exts))
	if l := last[base]; l != 0 {
		c.exts[l-1].next = at
	} else {
		c.entries.at(base).ext = at
	}
	last[base] = at
}

// ownsExtension tells whether the base that x names is the one it was made
// for. Freeing an entry raises the sequence number of its base by one.
func (c *Catalog) ownsExtension(x *entry) bool {
	num := x.base.Record()
	if num >= uint64(c.entries.n) {
		return false
	}
	b := c.entries.at(uint32(num))
	switch b.state {
	case recLive:
		return x.flags&FlagInUse != 0 && (b.seq == x.base.Seq() || x.base.Seq() == 0)
	case recDeleted:
		return b.seq == x.base.Seq() || b.seq == nextSeq(x.base.Seq())
	}
	return false
}
