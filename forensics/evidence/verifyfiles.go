package evidence

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"
	"slices"
	"strings"

	"kanshiki/forensics/internal/work"
)

// fileVerdict is what reading one file of a logical image showed.
type fileVerdict struct {
	path    string
	checked int    // digests that are as stated
	wrong   string // one that is not
	err     error  // it cannot be read, or not all of it
	stated  error  // what the image states of it cannot
}

// VerifyFiles reads all files of a logical image once and checks them: the
// structure, the checksum of every chunk, and the digests that the image states
// of each file.
func VerifyFiles(ctx context.Context, t *Tree, add func(n int64)) ([]Check, error) {
	files, skipped, err := t.Files(ctx)
	if err != nil {
		return nil, err
	}
	var all []fileVerdict
	err = work.Ordered(ctx, runtime.GOMAXPROCS(0), slices.Values(files), func(ctx context.Context, f TreeFile) fileVerdict {
		return verifyFile(ctx, t, f, add)
	}, func(v fileVerdict) error {
		if ctx.Err() == nil {
			all = append(all, v)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	return []Check{fileStructure(t, skipped, all), fileChecksums(all), fileDigests(all)}, nil
}

// fileStructure judges what opening found wrong with the image, and what it
// states of its files.
func fileStructure(t *Tree, skipped []Skipped, all []fileVerdict) Check {
	var said []string
	for _, s := range skipped {
		said = append(said, fmt.Sprintf("%s: %v", s.Path, s.Err))
	}
	for _, v := range all {
		if v.stated != nil {
			said = append(said, fmt.Sprintf("%s: %v", v.path, v.stated))
		}
	}
	if len(said) > 0 {
		return Check{Name: "structure", Verdict: Fail, Detail: some(said)}
	}
	return Check{Name: "structure", Verdict: Pass, Detail: fmt.Sprintf("%s, all %s reached", plural(len(t.Info().Segments), "segment"), plural(len(all), "file"))}
}

func verifyFile(ctx context.Context, t *Tree, f TreeFile, add func(n int64)) fileVerdict {
	v := fileVerdict{path: f.Path}
	r, err := t.Open(f.Path)
	if err != nil {
		v.err = err
		return v
	}
	defer r.Close()
	stated, err := t.Digests(f.Path)
	v.stated = err
	sums := map[string]hash.Hash{}
	for _, d := range stated {
		sums[d.Alg] = newHash(d.Alg)
	}
	b := make([]byte, min(f.Size, blockSize))
	for off := int64(0); off < f.Size && ctx.Err() == nil; off += int64(len(b)) {
		n, err := r.ReadAt(b[:min(int64(len(b)), f.Size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			v.err = err
			return v
		}
		for _, h := range sums {
			h.Write(b[:n])
		}
		if add != nil {
			add(int64(n))
		}
	}
	for _, d := range stated {
		if have := hex.EncodeToString(sums[d.Alg].Sum(nil)); have != d.Sum {
			v.wrong = fmt.Sprintf("%s: stated %s %s, calculated %s", f.Path, d.Alg, d.Sum, have)
			continue
		}
		v.checked++
	}
	return v
}

// fileChecksums judges the chunks: each file could be read, or not.
func fileChecksums(all []fileVerdict) Check {
	var said []string
	for _, v := range all {
		if v.err != nil {
			said = append(said, fmt.Sprintf("%s: %v", v.path, v.err))
		}
	}
	if len(said) > 0 {
		return Check{Name: "checksums", Verdict: Fail, Detail: fmt.Sprintf("%s damaged: %s", plural(len(said), "file"), some(said))}
	}
	return Check{Name: "checksums", Verdict: Pass, Detail: "all chunks are intact"}
}

// fileDigests judges what is stated of the files.
func fileDigests(all []fileVerdict) Check {
	c := Check{Name: "digests", Verdict: Pass}
	var said []string
	checked, without := 0, 0
	for _, v := range all {
		checked += v.checked
		switch {
		case v.wrong != "":
			said = append(said, v.wrong)
		case v.err != nil:
			said = append(said, v.path+": cannot match, it is damaged")
		case v.checked == 0:
			without++
		}
	}
	c.Detail = fmt.Sprintf("%s as stated", plural(checked, "digest"))
	if without > 0 {
		c.Detail += fmt.Sprintf("; of %s none is stated", plural(without, "file"))
	}
	switch {
	case len(said) > 0:
		c.Verdict = Fail
		c.Detail += "; " + some(said)
	case checked == 0:
		c.Verdict = NotCheckable
		c.Detail = "none is stated"
	}
	return c
}

const maxNamed = 20 // files named in one sentence

func some(said []string) string {
	if n := len(said) - maxNamed; n > 0 {
		said = append(slices.Clone(said[:maxNamed]), fmt.Sprintf("and %d more", n))
	}
	return strings.Join(said, "; ")
}
