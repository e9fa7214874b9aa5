package main

import (
	"os"
	"os/exec"
)

// unxz unpacks a file with the system's own tool.
func unxz(from, to string) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command("xz", "-dc", from)
	cmd.Stdout = out
	return cmd.Run()
}
