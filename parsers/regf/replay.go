package regf

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"kanshiki/parsers/internal/cursor"
)

// maxGrowth is how much larger than its file a hive may become by its logs.
// The hives of Windows grow by far less between two flushes.
const maxGrowth = 64 << 20

// Apply reads a hive and replays its logs in a copy, as Windows does when it
// loads a dirty hive. It fails only where neither the hive nor the logs have a
// base block; a log that is not applied is named with its reason.
//
// Empty logs (a file of 0 bytes, or of zeros) are passed over.
func Apply(data []byte, logs ...[]byte) (*Replay, error) {
	r := &Replay{Logs: make([]Applied, len(logs))}
	before, err := Parse(data)
	if err == nil {
		r.Before, r.After = before, before
		if !before.Dirty() {
			r.refuse("the hive is clean")
		}
	}
	var parsed []*Log
	for i, b := range logs {
		a := &r.Logs[i]
		a.Log = i
		l, lerr := ParseLog(b)
		if len(bytes.Trim(b, "\x00")) == 0 {
			a.Refused = "empty"
		} else if lerr != nil {
			a.Refused = lerr.Error()
		} else if a.Format = l.Type; !l.ChecksumValid || l.PrimarySeq != l.SecondarySeq {
			a.Refused = "its base block is not valid"
		} else {
			parsed = append(parsed, l)
			continue
		}
		parsed = append(parsed, nil)
	}
	switch {
	case r.Reason != "":
		return r, nil
	case !slices.ContainsFunc(parsed, func(l *Log) bool { return l != nil }):
		r.refuse("no usable log")
	case slices.ContainsFunc(parsed, func(l *Log) bool { return l != nil && l.Type == NewLog }):
		r.applyNew(data, parsed)
	default:
		r.applyOld(data, parsed)
	}
	if r.After == nil {
		return nil, err
	}
	return r, nil
}

// image is the copy that pages are written to.
func image(data []byte, base *Base, bins uint32) ([]byte, error) {
	size := BaseSize + int64(bins)
	if size > int64(len(data))+maxGrowth {
		return nil, cursor.Errorf(40, "hive bins of %d bytes, where the file has %d", bins, len(data))
	}
	out := make([]byte, max(size, int64(len(data))))
	copy(out, data)
	if base != nil { // the log's copy covers its first sector at least
		copy(out[:sectorSize], make([]byte, sectorSize))
	}
	return out, nil
}

// seal writes the fields that a replay sets, and the checksum.
func seal(out []byte, seq, bins uint32) {
	binary.LittleEndian.PutUint32(out[4:], seq)
	binary.LittleEndian.PutUint32(out[8:], seq)
	binary.LittleEndian.PutUint32(out[28:], Primary)
	binary.LittleEndian.PutUint32(out[40:], bins)
	binary.LittleEndian.PutUint32(out[508:], checksum(out))
}

// finish parses the image and counts what is another now.
func (r *Replay) finish(data, out []byte) {
	base, err := parseBase(out)
	if err != nil {
		r.refuse("after the replay: %v", err)
		return
	}
	r.After = newHive(base, out)
	for off := BaseSize; off < len(out); off += sectorSize {
		end := min(off+sectorSize, len(out))
		if off >= len(data) || !bytes.Equal(out[off:end], data[off:min(end, len(data))]) {
			r.Changed++
		}
	}
}

// applyNew replays log entries: from both logs in the order of their numbers,
// each number once and none left out ("Log entries", notes 5 to 7).
func (r *Replay) applyNew(data []byte, logs []*Log) {
	order := make([]int, 0, len(logs))
	for i, l := range logs {
		if l != nil && l.Type == NewLog {
			order = append(order, i)
		} else if l != nil {
			r.Logs[i].Refused = "old format, where the other log is of the new one"
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(logs[a].PrimarySeq, logs[b].PrimarySeq) })

	// An entry of the hive's secondary number is in the hive already; to write
	// it once more changes nothing that later entries do not set.
	var from uint32
	var base *Base
	if r.Before != nil && r.Before.ChecksumValid {
		from = r.Before.SecondarySeq
	} else {
		last := logs[order[len(order)-1]]
		base, r.BaseRecovered = &last.Base, true
		from = logs[order[0]].PrimarySeq
	}

	var out []byte
	var next, bins uint32
	for _, i := range order {
		a := &r.Logs[i]
		for e, err := range logs[i].Entries() {
			switch {
			case err != nil:
				a.Refused = err.Error()
			case out == nil && e.Sequence < from || out != nil && e.Sequence < next:
				a.Older++
				continue
			case out != nil && e.Sequence != next:
				a.Refused = "its entries do not follow those of the other log"
			default:
				grown, err := r.write(data, out, base, e, i)
				if err != nil {
					a.Refused = err.Error()
					break
				}
				if out == nil && r.Before != nil && e.Sequence > r.Before.PrimarySeq {
					r.Gap = e.Sequence - r.Before.PrimarySeq
				}
				out, next, bins = grown, e.Sequence+1, e.BinsSize
				if a.Entries++; a.Entries == 1 {
					a.First = e.Sequence
				}
				a.Last, a.Pages, r.Pages = e.Sequence, a.Pages+len(e.Pages), r.Pages+len(e.Pages)
				continue
			}
			break
		}
	}
	if out == nil {
		r.BaseRecovered = false
		r.refuse("no log entry of number %d or later", from)
		return
	}
	if base != nil {
		copy(out[:sectorSize], logs[order[len(order)-1]].data[:sectorSize])
	}
	seal(out, next-1, bins)
	r.finish(data, out)
}

// write puts the pages of one entry into the image, which it makes first if
// need be.
func (r *Replay) write(data, out []byte, base *Base, e Entry, log int) ([]byte, error) {
	if out == nil || int64(len(out)) < BaseSize+int64(e.BinsSize) {
		src := out
		if src == nil {
			src = data
		}
		grown, err := image(src, base, e.BinsSize)
		if err != nil {
			return out, err
		}
		if int64(len(grown)) > int64(len(data))+maxGrowth {
			return out, cursor.Errorf(e.Offset+16, "log entry %d: the hive would grow by more than %d bytes", e.Sequence, maxGrowth)
		}
		out = grown
	}
	for _, p := range e.Pages {
		copy(out[BaseSize+int(p.Bins):], p.Data) // entry checked that it fits BinsSize
		r.note(log, p)
	}
	return out, nil
}

// applyOld replays the log with a dirty vector that belongs to the hive: it
// has the same time as the hive's base block, or, where the block is damaged,
// as what is left of it or as the first bin ("Old format", note 3).
func (r *Replay) applyOld(data []byte, logs []*Log) {
	var written []uint64
	if r.Before != nil {
		written = append(written, r.Before.LastWritten)
	}
	if (r.Before == nil || !r.Before.ChecksumValid) && len(data) >= BaseSize+binHeader {
		written = append(written, binary.LittleEndian.Uint64(data[BaseSize+20:]))
	}
	done := false
	for i, l := range logs {
		if l == nil {
			continue
		}
		a := &r.Logs[i]
		if done {
			a.Refused = "another log was applied"
			continue
		}
		if !slices.Contains(written, l.LastWritten) {
			a.Refused = "it was written for another state of the hive: last written differs"
			continue
		}
		pages, err := l.vector()
		if err != nil {
			a.Refused = err.Error()
			continue
		}
		out, err := image(data, nil, l.BinsSize)
		if err != nil {
			a.Refused = err.Error()
			continue
		}
		for _, p := range pages {
			copy(out[BaseSize+int(p.Bins):], p.Data) // the vector ends with BinsSize
		}
		if r.Before == nil || !r.Before.ChecksumValid {
			copy(out[:sectorSize], l.data[:sectorSize])
			r.BaseRecovered = true
		}
		seal(out, l.PrimarySeq, l.BinsSize)
		if err := dirtyBins(out, pages); err != nil {
			a.Refused, r.BaseRecovered = err.Error(), false
			continue
		}
		a.Entries, a.First, a.Last, a.Pages, r.Pages = 1, l.PrimarySeq, l.PrimarySeq, len(pages), len(pages)
		for _, p := range pages {
			r.note(i, p)
		}
		r.finish(data, out)
		done = true
	}
	if done {
		return
	}
	r.refuse("no log that belongs to this state of the hive")
}

// dirtyBins checks the bins that pages were written to; Windows refuses the
// log if one is wrong ("Dirty pages").
func dirtyBins(out []byte, pages []Page) error {
	base, err := parseBase(out)
	if err != nil {
		return err
	}
	h := newHive(base, out)
	for off, i := 0, 0; int64(off)+binHeader <= int64(base.BinsSize) && off+binHeader <= len(h.bins) && i < len(pages); {
		size, ok := h.binAt(off)
		if !ok {
			size = binAlign
		}
		for ; i < len(pages) && int64(pages[i].Bins) < int64(off)+int64(size); i++ {
			if !ok {
				return cursor.Errorf(int64(off)+BaseSize, "a page of the log belongs to a hive bin that makes no sense")
			}
		}
		off += size
	}
	return nil
}
