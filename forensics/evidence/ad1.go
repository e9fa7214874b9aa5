package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"kanshiki/parsers/ad1"
	"kanshiki/parsers/container"
)

const formatAD1 = "AD1 (AccessData logical image, version 3 and 4; files, no disk), one segment or many"

// ad1Tree is the files of an AD1. Its paths begin with the place that the image
// says it was made of, if that is a path: E:\case becomes E/case, as triage
// tools write it.
type ad1Tree struct {
	im    *ad1.Image
	pool  *pool
	items map[string]int // by path
	list  []TreeFile
	skip  []Skipped
}

// openAD1 opens the set that a segment belongs to. Both results are nil where
// the file is no AD1.
func openAD1(ctx context.Context, path string, o Options) (*Tree, []string, error) {
	p := &pool{opener: o.opener()}
	if st, err := p.opener.Stat(path); err != nil || irregular(st.Mode()) != "" {
		return nil, nil, nil // openImage says what it is
	}
	f, err := p.main(path)
	if err != nil {
		return nil, nil, err
	}
	head := make([]byte, min(48, f.Size))
	if n, _ := f.R.ReadAt(head, 0); n < len(head) || !ad1.Identify(head) {
		p.Close()
		return nil, nil, nil
	}
	own, err := ad1.ParseSegment(head)
	if err != nil {
		p.Close()
		return nil, nil, &Broken{path, err}
	}
	im, err := ad1.Open(p.ad1Set(path, f))
	if err != nil {
		p.Close()
		if errors.Is(err, ad1.ErrUnsupported) {
			return nil, nil, &NotAnImage{path, err.Error()}
		}
		return nil, nil, &Broken{path, err}
	}
	t := &ad1Tree{im: im, pool: p, items: map[string]int{}}
	if err := t.fill(ctx); err != nil {
		p.Close()
		return nil, nil, err
	}
	notes := []string{fmt.Sprintf("AD1 version %d of %s, %s, %s", im.Version(), im.Name(), plural(len(im.Files()), "segment"), plural(len(t.list), "file"))}
	if own.Number != 1 {
		notes = append(notes, fmt.Sprintf("%s is segment %d; opened the set from %s", filepath.Base(path), own.Number, im.Files()[0]))
	}
	return &Tree{t}, notes, nil
}

// ad1Set finds the other segments of a set, which are named alike: .ad1, .ad2 …
// What is no segment is left to the parser to miss.
func (p *pool) ad1Set(path string, own container.File) []container.File {
	set := []container.File{own}
	stem, ok := ad1Stem(own.Name)
	entries, err := p.opener.ReadDir(folderOf(filepath.Dir(path)))
	if !ok || err != nil {
		return set
	}
	for _, e := range entries {
		if other, ok := ad1Stem(e.Name()); !ok || e.Name() == own.Name || !strings.EqualFold(other, stem) || len(set) >= ad1.MaxSegments {
			continue
		}
		f, err := p.beside(path, e.Name())
		if err != nil {
			continue
		}
		head := make([]byte, min(48, f.Size))
		if n, _ := f.R.ReadAt(head, 0); n < len(head) {
			continue
		}
		if _, err := ad1.ParseSegment(head); err == nil {
			set = append(set, f)
		}
	}
	return set
}

// ad1Stem takes the number off the name of a segment.
func ad1Stem(name string) (string, bool) {
	stem := strings.TrimRight(name, "0123456789")
	return stem, stem != name && strings.EqualFold(filepath.Ext(stem), ".ad")
}

// fill lists the files under paths of which each is there once.
func (t *ad1Tree) fill(ctx context.Context) error {
	top := topOf(t.im.Name())
	parents, same := map[int]bool{}, map[string]int{}
	for _, it := range t.im.Items() {
		parents[it.Parent] = true
	}
	for i, it := range t.im.Items() {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		p := slices.Clone(top)
		for _, name := range t.im.Path(i) {
			// A slash would make a folder of its own: U+2215 looks alike.
			p = append(p, strings.ReplaceAll(strings.ToValidUTF8(name, "\uFFFD"), "/", "\u2215"))
		}
		path := strings.Join(p, "/")
		switch {
		case it.Type == ad1.Folder && it.Size > 0:
			t.skip = append(t.skip, Skipped{path, fmt.Errorf("a folder with %d bytes of its own", it.Size)})
			continue
		case it.Type == ad1.Folder, it.Size == 0 && parents[i]:
			continue
		}
		plain := path
		for _, twice := t.items[path]; twice; _, twice = t.items[path] {
			same[plain]++ // a deleted file may have the name of one that is there
			path = plain + "#" + strconv.Itoa(same[plain]+1)
		}
		t.items[path] = i
		t.list = append(t.list, TreeFile{Path: path, Size: it.Size})
	}
	for _, p := range t.im.Problems() {
		t.skip = append(t.skip, Skipped{p.File, fmt.Errorf("offset %#x: %s", p.Off, p.What)})
	}
	return nil
}

// topOf is the folders of the place that an image was made of, none where it
// is no path.
func topOf(name string) (out []string) {
	name = strings.ToValidUTF8(name, "\uFFFD")
	if len(name) < 2 || name[1] != ':' && name[0] != '/' && !strings.HasPrefix(name, `\\`) {
		return nil
	}
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '\\' || r == '/' }) {
		if part = strings.TrimSuffix(part, ":"); part != "" && part != "." && part != ".." {
			out = append(out, part)
		}
	}
	return out
}

func (t *ad1Tree) files(context.Context) ([]TreeFile, []Skipped, error) {
	return slices.Clone(t.list), slices.Clone(t.skip), nil
}

func (t *ad1Tree) open(p string) (File, error) {
	i, ok := t.items[p]
	if !ok {
		return nil, fmt.Errorf("%s: %w", p, fs.ErrNotExist)
	}
	return ad1File{t.im.Content(i)}, nil
}

func (t *ad1Tree) close() error { return t.pool.Close() }

func (t *ad1Tree) info() Info {
	return Info{Format: "AD1", Variant: fmt.Sprintf("version %d", t.im.Version()), Segments: t.im.Files(),
		Fields: []Field{{"made of", t.im.Name()}}}
}

func (t *ad1Tree) digests(p string) (out []Digest, err error) {
	i, ok := t.items[p]
	if !ok {
		return nil, fmt.Errorf("%s: %w", p, fs.ErrNotExist)
	}
	all, err := t.im.Metadata(i)
	for _, m := range all {
		alg := map[uint32]string{ad1.MD5: "md5", ad1.SHA1: "sha1"}[m.Key]
		if m.Category == ad1.Digests && alg != "" {
			out = append(out, Digest{alg, strings.ToLower(m.Value), "file", "metadata"})
		}
	}
	return out, err
}

// ad1File is a file in an AD1. A read that meets damage is a *RangeError.
type ad1File struct{ *container.Disk }

func (f ad1File) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.Disk.ReadAt(p, off)
	return n, rangeError(err)
}
