module cocoon/cluster

go 1.24
