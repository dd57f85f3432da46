"""What Vaka is made of: locked distributions, what lies inside them, and what is known against them."""
