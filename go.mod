module kanshiki

go 1.26
