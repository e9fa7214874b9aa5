package all

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestListed reads the source of the groups: no Spec that is written there is
// missing in the list.
func TestListed(t *testing.T) {
	list, err := os.ReadFile("all.go")
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob("../*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, dir := range dirs {
		for _, name := range specsIn(t, dir) {
			n++
			if !strings.Contains(string(list), filepath.Base(dir)+"."+name+",\n") {
				t.Errorf("%s.%s is written and stands in no list", filepath.Base(dir), name)
			}
		}
	}
	if have := len(Specs()) + len(VolumeSpecs()); n != have {
		t.Errorf("%d Specs are written, %d stand in the list", n, have)
	}
}

// specsIn finds the exported variables that are a Spec, written out or made by
// a function of the package.
func specsIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	makers := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Type.Results != nil && len(fn.Type.Results.List) == 1 && isSpec(fn.Type.Results.List[0].Type) {
				makers[fn.Name.Name] = true
			}
		}
	}
	var out []string
	for _, f := range parsed {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				for i, name := range v.Names {
					if !name.IsExported() || i >= len(v.Values) {
						continue
					}
					switch x := v.Values[i].(type) {
					case *ast.CompositeLit:
						if isSpec(x.Type) {
							out = append(out, name.Name)
						}
					case *ast.CallExpr:
						if fn, ok := x.Fun.(*ast.Ident); ok && makers[fn.Name] {
							out = append(out, name.Name)
						}
					}
				}
			}
		}
	}
	return out
}

func isSpec(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "artifact" && (s.Sel.Name == "Spec" || s.Sel.Name == "VolumeSpec")
}
