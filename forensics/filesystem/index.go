package filesystem

import (
	"context"
	"fmt"
	"iter"

	"kanshiki/forensics/problem"
	"kanshiki/parsers/ntfs"
)

// IndexName is a name in the index of a directory ($I30), live or left over, or
// one that should stand there.
//
// It proves that the directory held the name when the entry was written. An
// entry in slack does not prove that the file was deleted: moving entries
// between index records leaves copies. Its times are those of the last time
// that the index was brought up to date, which is not at every access.
type IndexName struct {
	Dir     Ref
	DirPath string // WTF-8
	Proof   string // of DirPath
	Name    string // WTF-8
	Ref     Ref    // 0-0 where the head of the entry was overwritten
	Space   string // namespace: "posix", "win32", "dos", "win32+dos"
	State   string // "live", "slack", "free record", "entry slack"; "" for a name that is not there
	Fault   string // how it and the $MFT disagree, "" where they agree or where it is left over
	Cut     bool   // the name goes on behind what is left
	IsDir   bool
	Size    uint64
	Alloc   uint64
	Attrs   uint32
	Times   Times
	Offset  int64 // in the image, -1 for none
}

var spaces = [4]string{"posix", "win32", "dos", "win32+dos"}

// Index yields what the indexes of all directories hold, live and left over, in
// the order of the $MFT. An index record that cannot be read is an error with
// its place, and the rest is yielded.
func (n *NTFS) Index(ctx context.Context) iter.Seq2[IndexName, error] {
	return func(yield func(IndexName, error) bool) {
		b := builder{n: n}
		for f := range n.cat.Files() {
			if ctx.Err() != nil {
				yield(IndexName{}, ctx.Err())
				return
			}
			if f.IsDir() && !n.indexOf(&b, f, yield) {
				return
			}
		}
	}
}

// IndexProblems looks at the structure of every directory's index and lists what
// is damaged there. A walk takes the names of the $MFT and does not need the
// indexes; Windows does.
func (n *NTFS) IndexProblems(ctx context.Context) []problem.Problem {
	var out []problem.Problem
	more := 0
	_ = n.cat.CheckIndexes(ctx, func(d ntfs.Damage) {
		if len(out) >= maxIndexProblems {
			more++
			return
		}
		out = append(out, n.problem(d))
	})
	if more > 0 {
		out = append(out, problem.Problem{At: n.at, Source: "$I30", Kind: problem.OverLimit, Severity: problem.Lost,
			Found: fmt.Sprintf("%d more damages of indexes are counted, not listed", more)})
	}
	return out
}

const maxIndexProblems = 1 << 14

func (n *NTFS) indexOf(b *builder, f ntfs.File, yield func(IndexName, error) bool) bool {
	head := IndexName{Dir: RefOf(f.Was()), Offset: -1}
	if e := b.entry(f); len(e.Names) > 0 {
		head.DirPath, head.Proof = e.Names[0].Path, e.Names[0].Proof
	}
	for e, err := range f.CheckIndex() {
		row := head
		if err != nil {
			if !yield(row, fmt.Errorf("index of %s: %w", f.Was(), err)) {
				return false
			}
			continue
		}
		row.Name, row.Ref, row.Space, row.Fault = text(e.Name), RefOf(e.Ref), spaces[e.Namespace&3], e.Fault.String()
		if e.Fault != ntfs.NotIndexed {
			row.State, row.Offset = e.State.String(), n.imageOffset(e.Off)
			row.Times, row.Size, row.Alloc, row.Attrs = TimesOf(e.Times), e.Size, e.Allocated, e.Attributes
			row.IsDir, row.Cut = e.IsDir(), e.Cut
		}
		if !yield(row, nil) {
			return false
		}
	}
	return true
}
