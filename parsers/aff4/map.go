package aff4

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

// run is a part of the medium and where it lies in a target.
type run struct {
	off, n, at int64
	target     uint32
}

// target is what a map points to: a stream, or a symbolic one.
type target struct {
	stream *stream
	kind   container.Kind // of a symbolic one
	from   tile           // what it repeats
	err    error
}

// tile is a stream that repeats: one byte, or the text that the standard puts
// where nothing was read. It begins anew each MiB (4.4).
type tile string

const tileSize = 1 << 20

// repeat makes a tile that is not copied in small pieces.
func repeat(s string) tile { return tile(strings.Repeat(s, 4096/len(s))) }

func (t tile) ReadAt(p []byte, off int64) (int, error) {
	for i := 0; i < len(p); {
		in := int((off + int64(i)) % tileSize)
		for end := min(len(p), i+tileSize-in); i < end; {
			n := copy(p[i:end], t[in%len(t):])
			i, in = i+n, in+n
		}
	}
	return len(p), nil
}

// readMap reads a map's list of targets and its runs. Both must be whole: a
// wrong entry would give other bytes as the medium's.
func (r *Reader) readMap(v *volume, name string) error {
	idx, ok := v.find(name, "idx")
	list, ok2 := v.find(name, "map")
	if !ok || !ok2 {
		return fmt.Errorf("%s: its map or the list of its targets is missing", name)
	}
	if err := r.readTargets(v, name, idx); err != nil {
		return fmt.Errorf("targets of the map: %w", err)
	}
	rd, err := v.a.reader(list)
	if err != nil {
		return fmt.Errorf("map: %w", err)
	}
	rd, same := v.hashed(name, "mapPointHash", list, rd)
	if err := r.readRuns(v, list, rd); err != nil {
		return fmt.Errorf("map: %w", err)
	}
	return same()
}

func (r *Reader) readTargets(v *volume, name string, idx segment) error {
	rd, err := v.a.reader(idx)
	if err != nil {
		return err
	}
	rd, same := v.hashed(name, "mapIdxHash", idx, rd)
	names, err := io.ReadAll(io.LimitReader(rd, MaxTurtle))
	if err != nil {
		return err
	}
	if len(names) == MaxTurtle {
		return cursor.Errorf(idx.header, "more than %d bytes", MaxTurtle)
	}
	for line := range strings.Lines(string(names)) {
		name := strings.TrimRight(line, "\r\n")
		if len(r.targets) == MaxTargets {
			return cursor.Errorf(idx.header, "more than %d", MaxTargets)
		}
		t := target{kind: container.Corrupt, err: errors.New("the map's target has no name")}
		if name != "" {
			t = r.target(name)
		}
		r.targets = append(r.targets, t)
	}
	r.named = len(r.targets)
	return same()
}

const runSize = 28

// readRuns reads the entries in parts, and joins those that go on in one target.
func (r *Reader) readRuns(v *volume, list segment, rd io.Reader) error {
	b := make([]byte, 2048*runSize)
	sorted, left, at := true, list.size, 0
	for left > 0 {
		part := b[:min(int64(len(b)), left)]
		if _, err := io.ReadFull(rd, part); err != nil {
			return err
		}
		left -= int64(len(part))
		for ; len(part) >= runSize; part, at = part[runSize:], at+1 {
			x, err := r.entry(part)
			if err != nil {
				r.report(v, list, fmt.Sprintf("map, entry %d", at), err)
			}
			if x.n == 0 {
				continue
			}
			k := len(r.runs) - 1
			if k >= 0 && r.runs[k].follows(x) {
				r.runs[k].n += x.n
				continue
			}
			sorted = sorted && (k < 0 || r.runs[k].off+r.runs[k].n <= x.off)
			if len(r.runs) == MaxMap {
				return cursor.Errorf(list.header, "more than %d runs", MaxMap)
			}
			r.runs = append(r.runs, x)
		}
		if len(part) > 0 {
			r.report(v, list, "map", fmt.Errorf("%d bytes behind the last whole entry", len(part)))
		}
	}
	if !sorted {
		r.sortRuns(v, list)
	}
	// The end, where the CRC-32 is compared.
	if _, err := rd.Read(b[:1]); err != io.EOF {
		return cmp.Or(err, errors.New("more bytes than are stated"))
	}
	return nil
}

// entry reads one. What it says of the medium holds even where its target is
// impossible: those bytes are lost then, and no gap.
func (r *Reader) entry(b []byte) (x run, err error) {
	le := binary.LittleEndian
	off, n, at := le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:])
	x.target = le.Uint32(b[24:])
	if off >= uint64(r.size) {
		if n > 0 {
			err = fmt.Errorf("%d bytes at %d, the medium has %d", n, off, r.size)
		}
		return run{}, err
	}
	x.off, x.n = int64(off), int64(min(n, uint64(r.size)-off))
	if n > uint64(x.n) {
		err = fmt.Errorf("%d bytes at %d, the medium has %d", n, off, r.size)
	}
	if int64(x.target) >= int64(r.named) || at > 1<<63-1-uint64(x.n) {
		err = fmt.Errorf("%d bytes from %d in target %d of %d", n, at, x.target, r.named)
		if len(r.targets) == r.named {
			r.targets = append(r.targets, target{kind: container.Corrupt, err: errors.New("the map's entry names no target")})
		}
		x.target, at = uint32(r.named), off
	}
	x.at = int64(at)
	return x, err
}

// follows tells whether x goes on where r ends, on the medium and in the target.
func (r run) follows(x run) bool {
	return r.target == x.target && r.off+r.n == x.off && r.at+r.n == x.at
}

// sortRuns puts the runs in order. Of two that overlap, what comes later in the
// map holds, as it was written later.
func (r *Reader) sortRuns(v *volume, list segment) {
	order := make([]int, len(r.runs)) // by offset
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.runs[a].off, r.runs[b].off) })
	var flat []run
	var open latest // runs that may reach over what was placed
	at, reach, overlap := int64(0), int64(0), false
	fill := func(to int64) {
		for at < to && len(open) > 0 {
			x := r.runs[open[0]]
			if x.off+x.n <= at {
				heap.Pop(&open)
				continue
			}
			end := min(x.off+x.n, to)
			flat = append(flat, run{at, end - at, x.at + at - x.off, x.target})
			at = end
		}
		at = max(at, to)
	}
	for _, i := range order {
		x := r.runs[i]
		fill(x.off)
		overlap = overlap || reach > x.off
		reach = max(reach, x.off+x.n)
		heap.Push(&open, i)
	}
	fill(r.size)
	r.runs = flat
	if overlap {
		r.report(v, list, "map", errors.New("entries overlap: the later one is read"))
	}
}

// latest is a heap of numbers of entries, the latest on top.
type latest []int

func (h latest) Len() int           { return len(h) }
func (h latest) Less(i, j int) bool { return h[i] > h[j] }
func (h latest) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *latest) Push(x any)        { *h = append(*h, x.(int)) }
func (h *latest) Pop() any {
	k := len(*h) - 1
	x := (*h)[k]
	*h = (*h)[:k]
	return x
}

// target finds out what a name of a map means.
func (r *Reader) target(name string) target {
	local, ours := strings.CutPrefix(name, schema)
	hex, symbolic := strings.CutPrefix(local, "SymbolicStream")
	switch {
	case ours && local == "Zero":
		return target{kind: container.Zero}
	case ours && local == "UnknownData":
		return target{kind: container.Unknown, from: repeat("UNKNOWN"), err: errors.New("not acquired, as the map says")}
	case ours && local == "UnreadableData":
		return target{kind: container.Unreadable, from: repeat("UNREADABLEDATA"), err: errors.New("unreadable when it was acquired, as the map says")}
	case ours && symbolic && len(hex) == 2:
		if n, err := strconv.ParseUint(hex, 16, 8); err == nil && n > 0 {
			return target{from: repeat(string([]byte{byte(n)}))}
		} else if err == nil {
			return target{kind: container.Zero}
		}
	}
	return r.streamTarget(name)
}

// streamTarget finds the volume that holds a stream.
func (r *Reader) streamTarget(name string) target {
	unknown := func(err error) target {
		r.Report(container.Problem{File: r.volumes[0].a.f.Name, What: err.Error()})
		return target{kind: container.Unknown, err: err}
	}
	v := r.holder(name)
	if v == nil {
		where := "another volume"
		for _, v := range r.volumes {
			if s := v.g.get(name, "stored"); s != "" {
				where = "volume " + s
			}
		}
		return unknown(fmt.Errorf("%s lies in %s, which is not here", name, where))
	}
	if !v.g.is(name, "ImageStream") {
		return unknown(fmt.Errorf("%s is no image stream, and a map of such %w", name, ErrUnsupported))
	}
	s, err := r.openStream(v, name)
	if err != nil {
		return unknown(err)
	}
	for _, known := range r.streams {
		if known.name == name {
			return target{stream: known}
		}
	}
	r.streams = append(r.streams, s)
	return target{stream: s}
}

// span is a run of a target.
func (t *target) span(off, limit int64, filled bool) container.Span {
	switch {
	case t.stream != nil:
		return t.stream.span(off, limit)
	case t.kind == container.Data, filled && t.from != "":
		return container.Span{Len: limit, From: t.from, At: off}
	}
	return container.Span{Len: limit, Kind: t.kind, Err: t.err}
}
