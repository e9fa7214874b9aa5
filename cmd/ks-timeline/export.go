package main

import (
	"context"
	"io"
)

func export(ctx context.Context, args []string, stdout, stderr io.Writer) error { return nil }
