package program

import (
	"encoding/hex"
	"fmt"
	"slices"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/internal/guard"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/authenticode"
	"kanshiki/parsers/cat"
)

// CatalogueGlob is where Windows keeps its catalogues, from the volume's root.
// The folder of the system is WINNT on the oldest.
const CatalogueGlob = "*/System32/CatRoot/**/*.cat"

// Catalogues are the digests that one machine's catalogues vouch for. Add them
// all, then use it from as many goroutines as you like.
type Catalogues struct {
	digests  map[string]int // digest in hex → index of the catalogue
	from     []catalogueHit
	problems []problem.Problem
	broken   int
}

type catalogueHit struct {
	path    string
	signers []string
}

// NewCatalogues makes an empty set: nothing is vouched for, and nothing is
// surely unsigned until a catalogue was read.
func NewCatalogues() *Catalogues { return &Catalogues{digests: map[string]int{}} }

// Len is the number of catalogues read.
func (c *Catalogues) Len() int { return len(c.from) }

// Complete tells whether all catalogues could be read: only then is a file
// that is not in them surely unsigned.
func (c *Catalogues) Complete() bool { return len(c.from) > 0 && c.broken == 0 }

// Missing says that there is a catalogue that could not be read.
func (c *Catalogues) Missing(p problem.Problem) {
	c.broken++
	c.problems = append(c.problems, p)
}

// Problems are the catalogues that could not be read, or not wholly.
func (c *Catalogues) Problems() []problem.Problem { return slices.Clone(c.problems) }

// Add reads a catalogue. One that nobody signed, or whose signature is broken,
// vouches for nothing and is a problem.
func (c *Catalogues) Add(at locator.Locator, path string, b []byte) {
	fail := func(kind problem.Kind, severity problem.Severity, err error) {
		p := problem.From(at, kind, severity, err)
		p.Source = path
		c.problems = append(c.problems, p)
	}
	var f *cat.File
	err := guard.Run(func() (err error) {
		f, err = cat.Parse(b)
		return err
	})
	if err != nil {
		c.broken++
		fail(problem.Malformed, problem.Lost, fmt.Errorf("read catalogue: %w", err))
		return
	}
	for _, d := range f.Damage {
		fail(problem.Malformed, problem.Lost, d)
	}
	if len(f.Damage) > 0 {
		c.broken++
	}
	hit := catalogueHit{path: path}
	for i := range f.Signers {
		if f.Signers[i].Intact == authenticode.Broken {
			fail(problem.Inconsistent, problem.Doubt, fmt.Errorf("the signature of the catalogue is broken"))
			c.broken++
			return
		}
		hit.signers = append(hit.signers, escape.Text(f.Signers[i].Name()))
	}
	if len(f.Signers) == 0 {
		fail(problem.Inconsistent, problem.Doubt, fmt.Errorf("the catalogue is not signed"))
		return
	}
	c.from = append(c.from, hit)
	for _, m := range f.Members {
		if m.Digest == nil {
			continue
		}
		d := hex.EncodeToString(m.Digest)
		if _, ok := c.digests[d]; !ok {
			c.digests[d] = len(c.from) - 1
		}
	}
}

func (c *Catalogues) find(sums []string) (catalogueHit, bool) {
	for _, s := range sums {
		if i, ok := c.digests[s]; ok && s != "" {
			return c.from[i], true
		}
	}
	return catalogueHit{}, false
}
