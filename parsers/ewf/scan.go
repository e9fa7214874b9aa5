package ewf

import "fmt"

// scanned gathers what the sections of all segments say.
type scanned struct {
	vol      *Volume
	volSound bool
	header2  []Value
	header   []Value
	xheader  []Value
	digests  []Digest
	errs     []SectorRun
	kinds    map[string]int
	crlf     bool // the header uses CR LF, as EnCase does
	linen    bool // the header is 8-bit text in the form of header2, as linen does
}

func (a *scanned) headers() []Value {
	switch {
	case len(a.header2) > 0:
		return append(a.header2, a.xheader...)
	default:
		return append(a.header, a.xheader...)
	}
}

// take reads the sections of one segment. It is false where the segment belongs
// to another set.
func (a *scanned) take(r *Reader, seg *segment, secs []section) bool {
	if a.kinds == nil {
		a.kinds = map[string]int{}
	}
	b := groupBuilder{r: r, seg: seg, end: fileHeaderSize}
	for _, s := range secs {
		a.kinds[s.kind]++
		switch s.kind {
		case "volume", "disk", "data":
			if !a.volume(r, seg, s) {
				return false
			}
		case "header2", "header", "xheader":
			a.text(r, seg, s)
		case "sectors":
			b.sectors(s)
		case "table":
			b.table(s)
		case "table2":
			b.table2(s)
		case "hash", "digest", "xhash", "error2":
			a.stated(r, seg, s)
		case "done":
			seg.done = true
		case "next", "session":
		case "incomplete":
			r.report(seg, s.off, "the writer marks this acquisition as incomplete")
		default:
			r.report(seg, s.off, fmt.Sprintf("section %q is not known", s.kind))
		}
		b.end = s.end()
	}
	b.finish()
	return true
}

// volume takes the geometry. It is repeated in every segment; the first sound
// one counts. It is false where the set identifier differs: bytes of another
// disk are worse than none.
func (a *scanned) volume(r *Reader, seg *segment, s section) bool {
	p, err := r.payload(seg, s, 1<<16)
	if err != nil {
		r.reportErr(seg, err)
		return true
	}
	v, err := parseVolume(p, s.data())
	if err != nil {
		r.reportErr(seg, fmt.Errorf("%s: %w", s.kind, err))
	}
	if v == nil {
		return true
	}
	r.spare(seg, s, v.payload())
	if a.vol != nil && a.volSound && err == nil {
		if v.GUID != a.vol.GUID && v.GUID != [16]byte{} && a.vol.GUID != [16]byte{} {
			r.report(seg, s.data()+64, fmt.Sprintf("belongs to another set (%x, the first segment says %x): not used", v.GUID, a.vol.GUID))
			return false
		}
		if v.ChunkSize() != a.vol.ChunkSize() || v.Sectors != a.vol.Sectors && s.kind != "data" {
			r.report(seg, s.data(), fmt.Sprintf("section %q: other geometry than the first segment's", s.kind))
		}
		return true
	}
	if a.vol == nil || err == nil {
		a.vol, a.volSound = v, err == nil
	}
	return true
}

func (a *scanned) text(r *Reader, seg *segment, s section) {
	p, err := r.payload(seg, s, MaxHeader)
	if err == nil {
		var used int
		p, used, err = inflateHeader(p, s.data(), s.kind)
		r.spare(seg, s, int64(used))
	}
	if err != nil {
		r.reportErr(seg, err)
		if len(p) == 0 {
			return
		}
	}
	var v []Value
	if s.kind == "xheader" {
		v, err = parseXML(p, s.data())
	} else {
		v, err = parseHeader(p, s.data())
	}
	if err != nil {
		r.reportErr(seg, err)
	}
	switch {
	case s.kind == "header2" && len(a.header2) == 0:
		a.header2 = v
	case s.kind == "header" && len(a.header) == 0:
		a.header = v
		a.crlf = len(p) > 2 && p[1] == '\r'
		a.linen = len(p) > 2 && p[0] == '3'
	case s.kind == "xheader" && len(a.xheader) == 0:
		a.xheader = v
	}
}

func (a *scanned) stated(r *Reader, seg *segment, s section) {
	limit := int64(MaxHeader)
	if s.kind == "error2" {
		limit = errorHead + 8*MaxRuns + 4
	}
	p, err := r.payload(seg, s, limit)
	if err != nil {
		r.reportErr(seg, err)
		return
	}
	var d []Digest
	used := len(p)
	switch s.kind {
	case "hash":
		used = hashSize
		d, err = parseHash(p, s.data())
	case "digest":
		used = digestSize
		d, err = parseDigest(p, s.data())
	case "xhash":
		var text []byte
		if text, used, err = inflateHeader(p, s.data(), s.kind); err == nil {
			var v []Value
			if v, err = parseXML(text, s.data()); err == nil {
				d, err = parseXHash(v, s.data())
			}
		}
	case "error2":
		var runs []SectorRun
		if runs, err = parseErrors(p, s.data()); err == nil {
			a.errs = append(a.errs, runs...)
			used = errorHead + 8*len(runs) + 4
		}
	}
	r.spare(seg, s, int64(used))
	a.digests = append(a.digests, d...)
	if err != nil {
		r.reportErr(seg, err)
	}
}
