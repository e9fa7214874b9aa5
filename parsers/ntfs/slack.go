package ntfs

// slackAt is where the room behind the attributes of a record begins.
func (r *Record) slackAt() int { return (r.used + 7) &^ 7 }

// Slack yields the attributes that the room behind the bytes used still holds:
// older ones, left when those before them grew shorter or went away. They are
// found at steps of eight bytes and must make sense whole; Off of an attribute
// is its place in the record.
func (r *Record) Slack() func(yield func(Attr) bool) {
	return func(yield func(Attr) bool) {
		old := *r
		old.used = len(r.data)
		var a Attr
		for p := r.slackAt(); p+24 <= len(r.data); {
			next := p
			if !old.next(&next, &a, nil) || !likelyAttr(&a, next-p) {
				p += 8
				continue
			}
			if !yield(a) {
				return
			}
			p = next
		}
	}
}

// likelyAttr tells whether bytes that fit an attribute's header are one.
func likelyAttr(a *Attr, length int) bool {
	if _, known := attrNames[a.Type]; !known || len(a.Name) > 0 && !likelyName(a.Name) {
		return false
	}
	if a.NonResident {
		return a.RunList != nil && a.LowVCN <= a.HighVCN+1 && a.Initialized <= a.Size && a.Size < 1<<62
	}
	if uint64(len(a.Value)) != a.Size || len(a.Value)+24 > length {
		return false
	}
	switch a.Type {
	case AttrStandardInformation:
		return (len(a.Value) == 48 || len(a.Value) == 72) && likelyTimes(parseTimes(a.Value))
	case AttrFileName:
		fn, ok := parseFileName(a.Value)
		return ok && fn.namespace <= NameWin32DOS && likelyTimes(fn.times)
	case AttrData:
		return true
	}
	return len(a.Value) > 0
}

// likelyName tells whether the name of an attribute has no control characters;
// streams are given none.
func likelyName(name []byte) bool {
	for i := 0; i+1 < len(name); i += 2 {
		if name[i+1] == 0 && name[i] < 0x20 {
			return false
		}
	}
	return true
}

// FileNameAttr is a decoded $FILE_NAME, for one that no link of the catalogue
// stands for.
type FileNameAttr struct {
	Parent    Ref
	Times     Times
	Flags     uint32
	Namespace uint8
	Name      []byte // UTF-16LE
}

// FileName decodes a $FILE_NAME attribute.
func (a *Attr) FileName() (FileNameAttr, bool) {
	fn, ok := parseFileName(a.Value)
	return FileNameAttr{fn.parent, fn.times, fn.flags, fn.namespace, fn.name}, ok && a.Type == AttrFileName && !a.NonResident
}

// ParseLogged decodes an MFT entry as $LogFile holds it: the fixups are not in
// place there. ok is false where b is none. What is behind the bytes that were
// logged is missing, not damaged.
func ParseLogged(b []byte, num uint64) (rec Record, ok bool) {
	if len(b) < 56 || !isRecord(b) {
		return rec, false
	}
	rec = Record{Num: num, Off: -1, data: b}
	rec.used = int(min(rec.header(), uint32(len(b))))
	return rec, rec.start >= 42 && rec.start <= rec.used
}

// Times decodes the four times of a $STANDARD_INFORMATION.
func (a *Attr) Times() (Times, bool) {
	if a.Type != AttrStandardInformation || a.NonResident || len(a.Value) < 32 {
		return Times{}, false
	}
	return parseTimes(a.Value), true
}
