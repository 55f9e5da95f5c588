module cocoon/observability

go 1.24
