package store

import (
	_ "embed"
	"os"
	"path/filepath"
)

//go:embed views.sql
var viewsSQL []byte

// writeViews puts store/views.sql into the case.
func writeViews(caseDir string) error {
	name := filepath.Join(caseDir, "store", "views.sql")
	if err := writeSynced(name+".tmp", viewsSQL); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}
