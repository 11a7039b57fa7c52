// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <queue>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Shape {
	virtual ~Shape() = default;
	virtual double area() const = 0;
};

struct Square : Shape {
	explicit Square(double s) : side(s) {}
	double area() const override { return side * side; }
	double side;
};

struct Circle : Shape {
	explicit Circle(double r) : radius(r)
	{
		if (r < 0)
			throw std::invalid_argument("negative radius");
	}
	double area() const override { return 3.14159 * radius * radius; }
	double radius;
};

struct Announcer {
	explicit Announcer(std::string n) : name(std::move(n)) {}
	~Announcer() { std::cout << "leaves " << name << '\n'; }
	std::string name;
};

int unwind(int depth)
{
	Announcer announcer("frame " + std::to_string(depth));
	if (depth == 0)
		return std::vector<int>().at(3);
	return unwind(depth - 1) + 1;
}

void exceptions()
{
	try {
		unwind(2);
	} catch (const std::out_of_range &e) {
		std::cout << "out of range\n";
	}
	try {
		std::unique_ptr<Shape> shape = std::make_unique<Circle>(-1);
	} catch (const std::exception &e) {
		std::cout << "caught " << e.what() << '\n';
	}
	auto failing = std::async(std::launch::async, []() -> int { throw std::runtime_error("from another thread"); });
	try {
		failing.get();
	} catch (const std::runtime_error &e) {
		std::cout << e.what() << '\n';
	}
}

void threads()
{
	std::mutex mutex;
	std::condition_variable changed;
	std::queue<int> queue;
	std::atomic<int> taken{0};
	bool done = false;
	long sum = 0;
	std::vector<std::thread> consumers;
	for (int i = 0; i < 4; i++) {
		consumers.emplace_back([&] {
			for (;;) {
				std::unique_lock<std::mutex> lock(mutex);
				changed.wait(lock, [&] { return done || !queue.empty(); });
				if (queue.empty())
					return;
				sum += queue.front();
				queue.pop();
				taken++;
			}
		});
	}
	for (int i = 1; i <= 2000; i++) {
		std::lock_guard<std::mutex> lock(mutex);
		queue.push(i);
		changed.notify_one();
	}
	{
		std::lock_guard<std::mutex> lock(mutex);
		done = true;
	}
	changed.notify_all();
	for (std::thread &consumer : consumers)
		consumer.join();
	std::cout << "taken " << taken << " sum " << sum << '\n';
	auto start = std::chrono::steady_clock::now();
	std::this_thread::sleep_for(std::chrono::milliseconds(10));
	std::cout << "slept " << (std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(10)) << '\n';
}

void streams(const std::string &path)
{
	std::ifstream file(path);
	std::map<std::string, int> words;
	for (std::string word; file >> word;)
		words[word]++;
	for (const auto &[word, count] : words)
		std::cout << word << '=' << count << ' ';
	std::cout << '\n' << std::hex << 255 << std::dec << ' ' << std::fixed << std::setprecision(3) << 2.0 / 3 << '\n';
	std::ostringstream text;
	text << std::setw(6) << 42 << std::boolalpha << true;
	std::cout << text.str() << '\n';
	for (std::string line; std::getline(std::cin, line);)
		std::cerr << '[' << line << "]\n";
	auto directory = std::filesystem::temp_directory_path() / "program-cc";
	std::filesystem::create_directories(directory / "deep");
	std::ofstream(directory / "deep" / "file") << "content";
	std::cout << std::filesystem::file_size(directory / "deep" / "file") << ' ' << std::filesystem::remove_all(directory) << '\n';
}

}

int main(int argc, char **argv)
{
	std::cout << argc << ' ' << argv[1] << ' ' << std::getenv("GREETING") << '\n';
	std::vector<std::unique_ptr<Shape>> shapes;
	shapes.push_back(std::make_unique<Square>(2));
	shapes.push_back(std::make_unique<Circle>(1));
	std::cout << std::accumulate(shapes.begin(), shapes.end(), 0.0, [](double sum, const auto &s) { return sum + s->area(); })
	          << '\n';
	exceptions();
	threads();
	streams(argv[2]);
	if (std::string(argv[1]) == "throw")
		throw std::logic_error("nobody catches this");
	return 7;
}
