// A reverse proxy that lets nothing but /v1/search pass. First it PUTs a file to a URL by net/http and prints the
// status; then it prints where it listens. Arguments: the service, the path, the file and its boundary.
package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	target, _ := url.Parse(os.Args[1])
	file, err := os.Open(os.Args[3])
	if err != nil {
		panic(err)
	}
	request, _ := http.NewRequest("PUT", os.Args[1]+os.Args[2], file)
	request.Header.Set("Content-Type", "multipart/form-data; boundary="+os.Args[4])
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "h2c")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	fmt.Println(answer.StatusCode)

	proxy := httputil.NewSingleHostReverseProxy(target)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if request.URL.Path != "/v1/search" {
			http.Error(writer, "forbidden", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(writer, request)
	})))
}
