package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kanshiki/forensics/custody"
	"kanshiki/forensics/evidence"
)

// papers are what lies beside an image and in its case.
type papers struct {
	key, caseDir string
	picture      bool
	image        string // path of the first segment
	broken       error  // of the custody record
}

// openImage opens an image; bare sectors in which nothing says so are known by
// the custody record beside them.
func openImage(ctx context.Context, path string) (*evidence.Evidence, error) {
	e, err := evidence.OpenImage(ctx, path, evidence.Options{})
	if no, ok := errors.AsType[*evidence.NotAnImage](err); !ok || !no.Unknown() {
		return e, err
	}
	s, rerr := custody.ReadSidecar(path)
	if rerr != nil || s.Image.Format != "raw" || len(s.Image.Segments) == 0 {
		return e, err
	}
	var names []string
	for _, g := range s.Image.Segments {
		names = append(names, filepath.Join(filepath.Dir(path), filepath.Base(g.Name)))
	}
	return evidence.OpenRaw(names, evidence.Options{})
}

// firstFile is the path of an image's first segment.
func firstFile(e *evidence.Evidence) string {
	dir := e.Path
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		dir = filepath.Dir(dir)
	}
	return filepath.Join(dir, e.Image.Info().Segments[0])
}

// signature judges that of the custody record.
func (p papers) signature() evidence.Check {
	c := evidence.Check{Name: "signature", Verdict: evidence.NotCheckable}
	name := custody.SidecarName(p.image)
	paper, sig, err := custody.ReadPaper(name)
	base := filepath.Base(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		c.Detail = "there is no custody record beside the image"
		return c
	case err != nil:
		c.Verdict, c.Detail = evidence.Fail, err.Error()
		return c
	case p.broken != nil:
		c.Verdict, c.Detail = evidence.Fail, fmt.Sprintf("%s is damaged: %v", base, p.broken)
		return c
	case sig == nil && p.key == "":
		c.Detail = base + " is not signed"
		return c
	case sig == nil:
		c.Verdict, c.Detail = evidence.Fail, base+" is not signed"
		return c
	case p.key == "":
		c.Detail = base + " is signed; --public-key checks it"
		return c
	}
	key, err := os.ReadFile(p.key)
	if errors.Is(err, os.ErrNotExist) && !strings.ContainsAny(p.key, "/\\.") {
		key, err = []byte(p.key), nil
	}
	var comment string
	if err == nil {
		comment, err = custody.VerifySignature(paper, sig, key)
	}
	if err != nil {
		c.Verdict, c.Detail = evidence.Fail, fmt.Sprintf("%s: %v", base, err)
		return c
	}
	c.Verdict, c.Detail = evidence.Pass, fmt.Sprintf("%s is signed with this key (%s)", base, comment)
	return c
}

// custody judges the chain of a case, and what it says of the image.
func (p papers) custody(e *evidence.Evidence, r *evidence.Record) evidence.Check {
	c := evidence.Check{Name: "custody", Verdict: evidence.NotCheckable, Detail: "no case is named; --case checks its chain"}
	if p.caseDir == "" {
		return c
	}
	entries, breaks, err := custody.Verify(p.caseDir)
	if err != nil {
		c.Verdict, c.Detail = evidence.Fail, err.Error()
		return c
	}
	var said []string
	for _, b := range breaks {
		said = append(said, fmt.Sprintf("line %d %s", b.Line, b.What))
	}
	c.Verdict = evidence.Pass
	if len(breaks) > 0 {
		c.Verdict = evidence.Fail
	} else {
		said = append(said, fmt.Sprintf("%s, each follows the one before", entriesOf(len(entries))))
	}
	info, err := custody.Read(p.caseDir)
	if err != nil {
		c.Verdict = evidence.Fail
		said = append(said, err.Error())
	}
	ok, what := inCase(&info, e, r)
	if !ok {
		c.Verdict = evidence.Fail
	}
	c.Detail = strings.Join(append(said, what), "; ")
	return c
}

// inCase finds the image among the case's exhibits by its digests.
func inCase(info *custody.Info, e *evidence.Evidence, r *evidence.Record) (ok bool, what string) {
	var have []string
	for _, d := range e.Image.Digests() {
		have = append(have, d.Alg+":"+d.Sum)
	}
	if r != nil {
		for _, d := range r.Sidecar.Digests {
			have = append(have, d.Alg+":"+d.Sum)
		}
	}
	for _, x := range info.Exhibits {
		for _, d := range x.Digests {
			if slices.Contains(have, d) {
				return true, fmt.Sprintf("the image is exhibit %s (%s)", x.ID, d)
			}
		}
	}
	if len(have) == 0 {
		return true, "the image states no digest by which the case could know it"
	}
	return false, "no exhibit of the case has the image's digests"
}

func entriesOf(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
