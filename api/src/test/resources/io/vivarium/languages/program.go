// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

func channels() {
	jobs, results := make(chan int), make(chan int, 4)
	var workers sync.WaitGroup
	for w := 0; w < 8; w++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for n := range jobs {
				results <- n * n
			}
		}()
	}
	go func() {
		for n := 1; n <= 1000; n++ {
			jobs <- n
		}
		close(jobs)
		workers.Wait()
		close(results)
	}()
	sum := 0
	for r := range results {
		sum += r
	}
	fmt.Println("squares", sum)
}

// A goroutine that never gives up its thread must be interrupted for the others to run.
func preemption() {
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	var stop bool
	var mutex sync.Mutex
	go func() {
		for i := 0; ; i++ {
			if i%1024 == 0 {
				mutex.Lock()
				if stop {
					mutex.Unlock()
					return
				}
				mutex.Unlock()
			}
		}
	}()
	time.Sleep(20 * time.Millisecond)
	mutex.Lock()
	stop = true
	mutex.Unlock()
	fmt.Println("preempted")
}

func sleeping() {
	start := time.Now()
	select {
	case <-time.After(30 * time.Millisecond):
	case <-time.After(time.Hour):
	}
	time.Sleep(10 * time.Millisecond)
	fmt.Println("slept", time.Since(start) >= 40*time.Millisecond, time.Unix(1700000000, 0).UTC())
}

func files(path string) {
	text, err := os.ReadFile(path)
	fmt.Printf("%q %v\n", text, err)
	directory, err := os.MkdirTemp("", "program")
	fmt.Println(err)
	name := directory + "/numbers"
	fmt.Println(os.WriteFile(name, []byte("1\n2\n3\n"), 0o600))
	info, err := os.Stat(name)
	fmt.Println(info.Size(), info.Mode(), err)
	entries, err := os.ReadDir(directory)
	fmt.Println(len(entries), entries[0].Name(), err)
	_, err = os.ReadFile("/does/not/exist")
	fmt.Println(err, errors.Is(err, fs.ErrNotExist))
	fmt.Println(os.RemoveAll(directory))
}

func pipes() {
	reader, writer, err := os.Pipe()
	fmt.Println(err)
	go func() {
		time.Sleep(time.Millisecond)
		fmt.Fprintln(writer, "through a pipe")
		writer.Close()
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	fmt.Printf("%q %v\n", line, err)
}

func maps() {
	counts := map[string]int{}
	for i := 0; i < 100000; i++ {
		counts[fmt.Sprint("key", i%997)] += i
	}
	keys := make([]string, 0, len(counts))
	for key := range counts {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	fmt.Println(len(keys), keys[0], counts[keys[0]], keys[996], counts[keys[996]])
}

type tree struct{ left, right *tree }

func grow(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{grow(depth - 1), grow(depth - 1)}
}

func (t *tree) size() int {
	if t.left == nil {
		return 1
	}
	return 1 + t.left.size() + t.right.size()
}

// 200 MiB in total, a few of them alive at a time.
func garbage() {
	kept := grow(14)
	nodes := 0
	var blocks [][]byte
	for i := 0; i < 200; i++ {
		block := make([]byte, 1<<20)
		block[i] = byte(i)
		if i%50 == 0 {
			blocks = append(blocks, block)
			nodes += grow(12).size()
		}
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	fmt.Println(kept.size(), nodes, len(blocks), memory.TotalAlloc >= 200<<20, memory.NumGC > 1, memory.HeapAlloc < 150<<20)
}

func signals() {
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-received)
	var nothing *tree
	defer func() { fmt.Println("recovered:", recover()) }()
	fmt.Println(nothing.left)
}

func main() {
	fmt.Println(len(os.Args), os.Args[1:], os.Getenv("GREETING"), os.Getenv("NOTHING") == "")
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		fmt.Fprintln(os.Stderr, strings.ToUpper(scanner.Text()))
	}
	channels()
	preemption()
	sleeping()
	files(os.Args[2])
	pipes()
	maps()
	garbage()
	signals()
	if os.Args[1] == "panic" {
		var empty []int
		fmt.Println(empty[len(os.Args)])
	}
	os.Exit(4)
}
